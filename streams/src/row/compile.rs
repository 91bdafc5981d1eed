//! From an expression's text to its syntax tree with every field reference noted, and from there, for one shape of
//! record, to a physical expression.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::Schema;
use datafusion::common::DFSchema;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, ExprWithAlias, Ident, Subscript, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ExpressionError;
use super::fields::{FIELDS_MAX, Field, Fields};
use crate::sql::precedence::settle;

/// A parsed expression: its fields are names of columns in [`Fields`].
#[derive(Clone, Debug)]
pub(super) struct Expression {
    tree: Expr,
}

impl Expression {
    /// Parses `text` and adds the fields that it names to `fields`.
    pub(super) fn parse(text: &str, fields: &mut Fields) -> Result<Expression, ExpressionError> {
        let mut parser =
            Parser::new(&GenericDialect {}).try_with_sql(text).map_err(|error| placed(&error.to_string()))?;
        let mut tree = parser.parse_expr().map_err(|error| placed(&error.to_string()))?;
        let next = parser.peek_token();
        if next.token != Token::EOF {
            return Err(ExpressionError {
                message: format!("expected the end of the expression, found `{}`", next.token),
                line: next.span.start.line.max(1),
                column: next.span.start.column.max(1),
            });
        }
        settle(&mut tree);
        let mut resolver = Resolver { fields };
        match tree.visit(&mut resolver) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(Expression { tree }),
        }
    }

    /// The physical expression over records whose fields have the types of `schema`.
    pub(super) fn plan(&self, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>, String> {
        let message = |error: datafusion::error::DataFusionError| error.strip_backtrace();
        let schema = DFSchema::try_from(schema.clone()).map_err(message)?;
        let tree = ExprWithAlias { expr: self.tree.clone(), alias: None };
        let logical = session().create_logical_expr_from_sql_expr(tree, &schema).map_err(message)?;
        // Some functions exist only as what the simplifier makes of them (`coalesce` becomes CASE).
        let context = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
        let simplifier = ExprSimplifier::new(context);
        let simpler = simplifier.coerce(logical, &schema).and_then(|logical| simplifier.simplify(logical));
        session().create_physical_expr(simpler.map_err(message)?, &schema).map_err(message)
    }
}

/// DataFusion's functions and type rules, built once.
fn session() -> &'static SessionState {
    static SESSION: OnceLock<SessionState> = OnceLock::new();
    SESSION.get_or_init(|| SessionStateBuilder::new().with_default_features().build())
}

/// A parser's message with the place it names taken out of it.
fn placed(message: &str) -> ExpressionError {
    let message = message.trim_start_matches("sql parser error: ");
    let (text, place) = message.rsplit_once(" at Line: ").unwrap_or((message, ""));
    let mut numbers = place.split(", Column: ").map(|number| number.trim().parse().unwrap_or(1));
    let (line, column) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(1));
    ExpressionError { message: text.to_owned(), line, column }
}

/// The name under which headers are found.
const HEADERS: &str = "_headers";

fn is_headers(name: &Ident) -> bool {
    name.quote_style.is_none() && name.value.eq_ignore_ascii_case(HEADERS)
}

/// Turns every reference into the quoted name of a column and refuses what a single record can't answer.
struct Resolver<'f> {
    fields: &'f mut Fields,
}

impl VisitorMut for Resolver<'_> {
    type Break = ExpressionError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<ExpressionError> {
        let replaced = match expr {
            Expr::Identifier(name) => self.column(std::slice::from_ref(name)),
            Expr::CompoundIdentifier(names) => self.column(names),
            Expr::CompoundFieldAccess { root, access_chain } => match access_path(root, access_chain) {
                Some(names) => self.column(&names),
                None => return ControlFlow::Continue(()),
            },
            Expr::Function(function) => {
                let name = function.name.to_string().to_ascii_lowercase();
                let place =
                    function.name.0.first().and_then(|part| part.as_ident()).map(|ident| ident.span.start);
                let (line, column) = place.map_or((1, 1), |start| (start.line.max(1), start.column.max(1)));
                match name.as_str() {
                    "now" | "current_timestamp" => self.field(Field::Now),
                    "current_date" | "current_time" | "localtimestamp" | "localtime" => {
                        Err(ExpressionError {
                            message: format!(
                                "`{name}` is not available here: cast now() instead, as in CAST(now() AS DATE)"
                            ),
                            line,
                            column,
                        })
                    }
                    _ => match unknown_function(&name) {
                        Some(message) => Err(ExpressionError { message, line, column }),
                        None => return ControlFlow::Continue(()),
                    },
                }
            }
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => Err(ExpressionError {
                message: "a subquery sees more than one record: write it as a statement under `streams`"
                    .to_owned(),
                line: 1,
                column: 1,
            }),
            _ => return ControlFlow::Continue(()),
        };
        match replaced {
            Ok(column) => {
                *expr = column;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Resolver<'_> {
    fn column(&mut self, names: &[Ident]) -> Result<Expr, ExpressionError> {
        let path: Vec<String> = names.iter().map(|name| name.value.clone()).collect();
        let unquoted = matches!(names, [only] if only.quote_style.is_none());
        let field = match path.as_slice() {
            [_, name] if is_headers(&names[0]) => Ok(Field::Header(name.clone())),
            _ if is_headers(&names[0]) => Err(ExpressionError {
                message: format!("`{HEADERS}` is all headers: name one, as in {HEADERS}['op']"),
                line: 1,
                column: 1,
            }),
            [name] if unquoted => Ok(Field::metadata(name).unwrap_or_else(|| Field::Value(path.clone()))),
            _ => Ok(Field::Value(path)),
        };
        field.and_then(|field| self.field(field)).map_err(|error| {
            let start = names.first().map(|name| name.span.start);
            start.map_or(error.clone(), |start| ExpressionError {
                line: start.line.max(1),
                column: start.column.max(1),
                ..error
            })
        })
    }

    fn field(&mut self, field: Field) -> Result<Expr, ExpressionError> {
        let name = self.fields.add(field).ok_or_else(|| ExpressionError {
            message: format!("the expressions name more than {FIELDS_MAX} fields"),
            line: 1,
            column: 1,
        })?;
        Ok(Expr::Identifier(Ident::with_quote('"', name)))
    }
}

/// `geo['lat']` and the like as the path `geo`, `lat`.
fn access_path(root: &Expr, chain: &[AccessExpr]) -> Option<Vec<Ident>> {
    let mut names = match root {
        Expr::Identifier(name) => vec![name.clone()],
        Expr::CompoundIdentifier(names) => names.clone(),
        _ => return None,
    };
    for access in chain {
        let name = match access {
            AccessExpr::Dot(Expr::Identifier(name)) => name.clone(),
            AccessExpr::Subscript(Subscript::Index { index: Expr::Value(value) }) => match &value.value {
                Value::SingleQuotedString(name) => Ident::new(name.clone()),
                _ => return None,
            },
            _ => return None,
        };
        names.push(name);
    }
    Some(names)
}

/// Why a function of that name can't be called, if it can't.
fn unknown_function(name: &str) -> Option<String> {
    let state = session();
    if state.scalar_functions().contains_key(name) || state.higher_order_functions().contains_key(name) {
        return None;
    }
    if state.aggregate_functions().contains_key(name) || state.window_functions().contains_key(name) {
        return Some(format!("`{name}` sees more than one record: write it as a statement under `streams`"));
    }
    let nearest = state.scalar_functions().keys().map(|known| (distance(name, known), known)).min();
    Some(match nearest {
        Some((edits, known)) if edits <= 2 => format!("unknown function `{name}`: did you mean `{known}`?"),
        _ => format!("unknown function `{name}`"),
    })
}

/// How many letters to insert, drop or change to make one word of the other (Levenshtein).
pub(crate) fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (place, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[right.len()]
}
