//! What one statement says, before any name in it is looked up.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast;

use crate::diagnostic::Position;

/// One statement, where it starts, and how it was written.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub at: Position,
    pub text: Arc<str>,
    pub body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// `CREATE STREAM|TABLE name (columns…) WITH (…)`: declares what a topic holds.
    Declare(Box<Declare>),
    /// `CREATE STREAM|TABLE name [WITH (…)] AS SELECT …`: a query that runs for ever.
    CreateAs(CreateAs),
    /// `INSERT INTO name SELECT …`: a query that writes into a declared relation.
    Insert(Insert),
    /// `INSERT INTO name (columns) VALUES (…), (…)`: rows, written once.
    InsertValues(InsertValues),
    Explain(Explained),
    /// A bare `SELECT`: planned by `EXPLAIN`, otherwise refused (there is no client to answer).
    Select(Select),
    Show(Show),
    Describe(Name),
    Drop(Drop),
    Pause(Queries),
    Resume(Queries),
}

#[derive(Debug, Clone)]
pub(crate) struct Insert {
    pub into: Name,
    pub options: Vec<WithOption>,
    pub select: Select,
}

#[derive(Debug, Clone)]
pub(crate) struct InsertValues {
    pub into: Name,
    /// Empty: every column, in the order of the declaration.
    pub columns: Vec<Name>,
    pub rows: Vec<Vec<ast::Expr>>,
}

/// What `EXPLAIN` is asked about.
#[derive(Debug, Clone)]
pub(crate) enum Explained {
    Statement(Box<Statement>),
    /// A query that runs, or the relation that one writes.
    Name(Name),
}

/// What `SHOW` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    Streams,
    Tables,
    Queries,
    Topics,
    Functions,
}

/// `DROP STREAM|TABLE|QUERY [IF EXISTS] name [DELETE TOPIC]`.
#[derive(Debug, Clone)]
pub(crate) struct Drop {
    pub what: Dropped,
    pub name: Name,
    pub if_exists: bool,
    pub delete_topic: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    Relation(RelationKind),
    Query,
}

/// One query by name, or all of them.
#[derive(Debug, Clone)]
pub(crate) enum Queries {
    All,
    One(Name),
}

/// A name as written and normalised: lower case unless it was quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub text: String,
    pub at: Position,
}

/// What a relation is: a stream of facts, or a table whose rows replace each other by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    Stream,
    Table,
}

impl RelationKind {
    pub fn name(self) -> &'static str {
        match self {
            RelationKind::Stream => "STREAM",
            RelationKind::Table => "TABLE",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Declare {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub kind: RelationKind,
    pub name: Name,
    pub columns: Vec<Column>,
    pub primary_key: Vec<Name>,
    pub watermark: Option<Watermark>,
    pub options: Vec<WithOption>,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub name: Name,
    pub definition: ast::ColumnDef,
}

/// `WATERMARK FOR column AS expression`.
#[derive(Debug, Clone)]
pub(crate) struct Watermark {
    pub column: Name,
    pub expression: ast::Expr,
}

/// One `key = 'value'` of a `WITH (…)` clause; the key in lower case.
#[derive(Debug, Clone)]
pub(crate) struct WithOption {
    pub key: Name,
    pub value: String,
    pub value_at: Position,
}

#[derive(Debug, Clone)]
pub(crate) struct CreateAs {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub kind: RelationKind,
    pub name: Name,
    pub options: Vec<WithOption>,
    pub select: Select,
}

/// A query with what SQL itself has no words for.
#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub at: Position,
    pub query: Box<ast::Query>,
    pub emit: Option<Emit>,
    /// ksqlDB's `WINDOW …` clause, if that spelling was used.
    pub window: Option<WindowClause>,
    /// Every word of the query and where it stands, to point at names that planning could not resolve.
    pub words: Vec<Name>,
}

/// When a result leaves the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emit {
    /// Each change as it happens.
    Changes,
    /// Once, when the watermark closes the window.
    Final,
}

/// ksqlDB's `WINDOW TUMBLING (SIZE …)`, `WINDOW HOPPING (SIZE …, ADVANCE BY …)` and `WINDOW SESSION (gap)`, milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowClause {
    pub at: Position,
    pub kind: WindowClauseKind,
    pub grace_ms: i64,
    /// How long results are kept in their topic.
    pub retention_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowClauseKind {
    Tumbling { size_ms: i64 },
    Hopping { size_ms: i64, advance_ms: i64 },
    Session { gap_ms: i64 },
}
