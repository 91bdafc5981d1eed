//! A `SELECT` alone, for whoever asked: what it says of itself and of how many rows are wanted.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast;

use super::analyze::{self, Analyzed};
use super::planning::Planning;
use super::result::Target;
use super::{QueryPlan, logical};
use crate::diagnostic::Finding;
use crate::sql::ddl::Options;
use crate::sql::parse::{Name, Select};

/// The query's name, and its result's: no topic is created for it.
const NAME: &str = "__select";

/// A query whose rows go to whoever asked.
#[derive(Debug)]
pub(crate) struct Selected {
    pub plan: Arc<QueryPlan>,
    /// Rows that are wanted; `None` for all.
    pub limit: Option<u64>,
    /// Without `EMIT` it is about what there is now, and ends; with it, it goes on.
    pub is_bounded: bool,
}

impl Planning {
    pub fn selected(&self, select: &Select) -> Result<Selected, Finding> {
        let mut select = select.clone();
        let limit = take_limit(&mut select.query);
        let logical = logical::plan(self.catalog(), &select)?;
        let options = Options { topic: Some(NAME.to_owned()), ..Options::default() };
        let name = Name { text: NAME.to_owned(), at: select.at };
        let target = Target::Rows { name: &name, options: &options };
        let analyzed = Analyzed { name: NAME, select: &select, beside: &options.beside };
        let plan = analyze::query(self.context(), &analyzed, &logical, target)?;
        Ok(Selected { plan: Arc::new(plan), limit, is_bounded: select.emit.is_none() })
    }
}

/// Cuts `LIMIT n` off, if the whole query has it and nothing more.
fn take_limit(query: &mut ast::Query) -> Option<u64> {
    let limit = match &query.limit_clause {
        Some(ast::LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by })
            if limit_by.is_empty() =>
        {
            limit
        }
        _ => return None,
    };
    let ast::Expr::Value(written) = limit else { return None };
    let ast::Value::Number(digits, _) = &written.value else { return None };
    let limit = digits.parse().ok()?;
    query.limit_clause = None;
    Some(limit)
}
