//! A program is the statements of one or several texts; planning walks them in order and fills the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast;

use super::context::PlanningContext;
use super::result::Target;
use super::{Plan, QueryPlan, analyze, logical};
use crate::diagnostic::{Diagnostic, Finding, Position, did_you_mean};
use crate::sql::catalog::{Catalog, Relation};
use crate::sql::ddl;
use crate::sql::parse::{self, Body, CreateAs, Name, RelationKind, Select, Statement};

/// Parsed statements, not planned yet.
#[derive(Debug, Clone, Default)]
pub struct Program {
    texts: Vec<(String, Vec<Statement>)>,
}

/// What planning knows beside the text.
#[derive(Debug, Clone, Default)]
pub struct PlanContext {
    /// The pipeline's name; it becomes part of the names of groups, transactions and internal topics.
    pub pipeline: String,
    /// Topics declared outside SQL, with their number of partitions if that is known.
    pub topics: BTreeMap<String, Option<i32>>,
}

impl Program {
    /// Reads the statements of `text`. `origin` names the text in diagnostics.
    pub fn parse(text: &str, origin: &str) -> Result<Program, Vec<Diagnostic>> {
        let mut program = Program::default();
        program.extend(text, origin)?;
        Ok(program)
    }

    /// Adds the statements of another text behind those read so far.
    pub fn extend(&mut self, text: &str, origin: &str) -> Result<(), Vec<Diagnostic>> {
        let parsed = deeply(|| parse::parse(text)).unwrap_or_else(|failure| Err(vec![failure]));
        let statements = parsed.map_err(|findings| {
            findings.into_iter().map(|finding| finding.within(origin)).collect::<Vec<_>>()
        })?;
        self.texts.push((origin.to_owned(), statements));
        Ok(())
    }

    /// Plans every statement; all that fail are reported. A statement sees only the relations declared before it.
    pub fn plan(&self, context: &PlanContext) -> Result<Plan, Vec<Diagnostic>> {
        let origin = self.texts.last().map_or("", |(origin, _)| origin);
        deeply(|| self.plan_here(context)).unwrap_or_else(|failure| Err(vec![failure.within(origin)]))
    }

    fn plan_here(&self, context: &PlanContext) -> Result<Plan, Vec<Diagnostic>> {
        let mut planning = Planning { context, catalog: Catalog::default(), queries: Vec::new() };
        let mut diagnostics = Vec::new();
        for (origin, statements) in &self.texts {
            for statement in statements {
                if let Err(finding) = planning.statement(statement) {
                    diagnostics.push(finding.within(origin));
                }
            }
        }
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
        Ok(Plan { queries: planning.queries, catalog: planning.catalog })
    }
}

struct Planning<'a> {
    context: &'a PlanContext,
    catalog: Catalog,
    queries: Vec<Arc<QueryPlan>>,
}

impl Planning<'_> {
    fn statement(&mut self, statement: &Statement) -> Result<(), Finding> {
        match &statement.body {
            Body::Declare(declare) => {
                self.check_new(&declare.name, declare.or_replace)?;
                let relation = {
                    let context = PlanningContext::new(&self.catalog, Vec::new(), 0);
                    let planner = context.planner();
                    ddl::declare(declare, |column| {
                        let schema = planner
                            .build_schema(vec![column.clone()])
                            .map_err(|error| error.strip_backtrace())?;
                        Ok(Arc::new(schema.field(0).clone()))
                    })?
                };
                self.check_watermark(&relation, &declare.name)?;
                let partitions = relation.partitions.or(self.partitions_of(&relation.topic));
                self.queries.retain(|query| query.name != relation.name);
                self.catalog.insert(Relation { partitions, ..relation });
                Ok(())
            }
            Body::CreateAs(create) => self.create_as(create),
            Body::Insert { into, select } => self.insert(into, select),
            Body::Explain(inner) => self.explain(inner),
            Body::Select(select) => {
                Err(Finding::new(select.at, "a SELECT alone has nobody to answer to here")
                    .hint("write CREATE STREAM … AS SELECT, or EXPLAIN SELECT"))
            }
            Body::Show(what) => Err(interactive(statement, &format!("SHOW {}", what.to_uppercase()))),
            Body::Describe(name) => Err(interactive(statement, &format!("DESCRIBE {}", name.text))),
            Body::Drop { what, name, if_exists } => {
                let condition = if *if_exists { "IF EXISTS " } else { "" };
                let what = what.to_uppercase();
                Err(interactive(statement, &format!("DROP {what} {condition}{}", name.text)))
            }
            Body::Pause(name) => Err(interactive(statement, &format!("PAUSE {}", name.text))),
            Body::Resume(name) => Err(interactive(statement, &format!("RESUME {}", name.text))),
        }
    }

    fn create_as(&mut self, create: &CreateAs) -> Result<(), Finding> {
        self.check_new(&create.name, create.or_replace)?;
        let mut options = ddl::Options::read(&create.options)?;
        let topic = ddl::topic(&options, &create.name)?;
        options.partitions = options.partitions.or(self.partitions_of(&topic));
        let logical = logical::plan(&self.catalog, &create.select)?;
        let target = Target::New { kind: create.kind, name: &create.name, options: &options };
        let query = analyze::query(self.context, &create.name.text, &create.select, &logical, target)?;
        if let Some(sink) = query.sink() {
            self.catalog.insert(sink.relation.as_ref().clone());
        }
        self.queries.retain(|known| known.name != query.name);
        self.queries.push(Arc::new(query));
        Ok(())
    }

    /// As declared outside SQL.
    fn partitions_of(&self, topic: &str) -> Option<i32> {
        self.context.topics.get(topic).copied().flatten()
    }

    fn insert(&mut self, into: &Name, select: &Select) -> Result<(), Finding> {
        let relation = self.catalog.get(&into.text).cloned().ok_or_else(|| self.no_relation(into))?;
        if relation.kind == RelationKind::Table {
            return Err(Finding::new(into.at, format!("`{}` is a table", into.text))
                .hint("INSERT INTO adds rows to a stream"));
        }
        let logical = logical::plan_into(&self.catalog, select, &relation)?;
        let name = (1..)
            .map(|number| format!("{}-{number}", relation.name))
            .find(|name| self.queries.iter().all(|query| query.name != *name))
            .unwrap_or_else(|| relation.name.clone());
        let target = Target::Existing(relation);
        let query = analyze::query(self.context, &name, select, &logical, target)?;
        self.queries.push(Arc::new(query));
        Ok(())
    }

    /// Planned, so that mistakes show; the text comes with the queries' own explanations.
    fn explain(&mut self, inner: &Statement) -> Result<(), Finding> {
        let kept = (self.catalog.clone(), self.queries.len());
        let select_as_stream;
        let statement = match &inner.body {
            Body::Select(select) => {
                let name = Name { text: "explained".to_owned(), at: select.at };
                let kind = match select.emit {
                    Some(parse::Emit::Final) | None => RelationKind::Stream,
                    Some(parse::Emit::Changes) => RelationKind::Table,
                };
                let create =
                    CreateAs { or_replace: true, kind, name, options: Vec::new(), select: select.clone() };
                select_as_stream = Statement { at: inner.at, body: Body::CreateAs(create) };
                &select_as_stream
            }
            _ => inner,
        };
        self.statement(statement)?;
        self.catalog = kept.0;
        self.queries.truncate(kept.1);
        Ok(())
    }

    fn check_new(&self, name: &Name, or_replace: bool) -> Result<(), Finding> {
        match self.catalog.get(&name.text) {
            Some(known) if !or_replace => Err(Finding::new(
                name.at,
                format!("{} `{}` is declared already", known.kind.name(), name.text),
            )
            .hint("choose another name, or write CREATE OR REPLACE")),
            _ => Ok(()),
        }
    }

    /// Plans the watermark's expression once, so that a mistake shows at the declaration and not at the first query.
    fn check_watermark(&self, relation: &Relation, name: &Name) -> Result<(), Finding> {
        let mut catalog = Catalog::default();
        let relation = catalog.insert(relation.clone());
        match &relation.watermark {
            Some(watermark) => logical::check_watermark(&catalog, &relation, &watermark.expression, name),
            None => Ok(()),
        }
    }

    fn no_relation(&self, name: &Name) -> Finding {
        Finding::new(name.at, format!("no stream or table `{}` is declared before this statement", name.text))
            .maybe_hint(did_you_mean(&name.text, self.catalog.names()))
    }
}

/// Parsers and planners recurse over what is written: they get a stack that fits the largest statement. A panic in them
/// is a finding, too: the text comes from outside.
fn deeply<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Finding> {
    const STACK_BYTES: usize = 256 << 20;
    let failed =
        |reason: &str| Finding::new(Position::START, format!("the program cannot be planned: {reason}"));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("planner".to_owned()).stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, work).map_err(|error| failed(&error.to_string()))?;
        running.join().map_err(|_| failed("the planner gave up on it"))
    })
}

/// Statements that ask or tell a running node something have no meaning in a file that declares what runs.
fn interactive(statement: &Statement, what: &str) -> Finding {
    Finding::new(statement.at, format!("{what} is not part of a program"))
        .hint("a program declares what runs: CREATE STREAM, CREATE TABLE, INSERT INTO")
}

/// The column names an expression mentions, normalised.
pub(super) fn names_in(expression: &ast::Expr) -> Vec<String> {
    let mut names = Vec::new();
    let _: std::ops::ControlFlow<()> = ast::visit_expressions(expression, |inner| {
        if let ast::Expr::Identifier(ident) = inner {
            let quoted = ident.quote_style.is_some();
            names.push(if quoted { ident.value.clone() } else { ident.value.to_lowercase() });
        }
        std::ops::ControlFlow::Continue(())
    });
    names
}
