//! A program is the statements of one or several texts; planning walks them in order and fills the catalog.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast;

use super::Plan;
use super::answer::World;
use super::planning::Planning;
use crate::diagnostic::{Diagnostic, Finding, Position};
use crate::sql::parse::{self, Statement};

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
        let mut planning = Planning::new(context.clone());
        let mut diagnostics = Vec::new();
        let mut answers = Vec::new();
        for (origin, statements) in &self.texts {
            for statement in statements {
                match planning.apply(statement, &World::default()) {
                    Ok(answer) => answers.push(answer),
                    Err(finding) => diagnostics.push(finding.within(origin)),
                }
            }
        }
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
        Ok(Plan::of(planning, answers))
    }

    /// The statements of all texts, in order, each with the name of its text.
    pub(crate) fn statements(&self) -> impl Iterator<Item = (&str, &Statement)> {
        self.texts.iter().flat_map(|(origin, statements)| {
            statements.iter().map(move |statement| (origin.as_str(), statement))
        })
    }
}

/// Parsers and planners recurse over what is written: they get a stack that fits the largest statement. A panic in them
/// is a finding, too: the text comes from outside.
pub(crate) fn deeply<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Finding> {
    const STACK_BYTES: usize = 256 << 20;
    let failed =
        |reason: &str| Finding::new(Position::START, format!("the program cannot be planned: {reason}"));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("planner".to_owned()).stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, work).map_err(|error| failed(&error.to_string()))?;
        running.join().map_err(|_| failed("the planner gave up on it"))
    })
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
