//! Planning statement by statement: what is declared, which queries there are, and what each statement does to both.
//!
//! Nothing is started or stopped here. Whoever runs queries compares the entries before and after.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::analyze::Analyzed;
use super::answer::{Answer, World};
use super::compatible::compatible;
use super::context::PlanningContext;
use super::program::PlanContext;
use super::result::Target;
use super::{QueryPlan, analyze, logical};
use crate::diagnostic::{Finding, did_you_mean};
use crate::sql::catalog::{Catalog, Relation};
use crate::sql::ddl;
use crate::sql::parse::{
    Body, CreateAs, Declare, Drop, Dropped, Explained, Insert, Name, Queries, RelationKind, Select, Statement,
};

/// What the statements so far have made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Planning {
    context: PlanContext,
    catalog: Catalog,
    /// In the order of planning: an entry reads only what the ones before it declare.
    entries: Vec<Entry>,
    /// Queries run: one that is replaced must be able to go on with its state.
    running: bool,
}

/// What one statement made: a relation, a query, or both under one name.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The relation's name; of an `INSERT INTO`, the query's.
    pub name: String,
    pub statement: Arc<Statement>,
    pub relation: Option<Arc<Relation>>,
    pub query: Option<Arc<QueryPlan>>,
    pub state: EntryState,
    /// It came with the pipeline's file: statements cannot change it.
    pub fixed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryState {
    Running,
    Paused,
    /// Its query was dropped, what it wrote is still declared.
    Ended,
}

impl Entry {
    /// The query, unless it was dropped.
    pub fn live_query(&self) -> Option<&Arc<QueryPlan>> {
        self.query.as_ref().filter(|_| self.state != EntryState::Ended)
    }

    fn reads(&self, relation: &str) -> bool {
        self.query.as_ref().is_some_and(|query| query.reads().any(|name| name == relation))
    }

    /// An `INSERT INTO` the relation.
    fn inserts_into(&self, relation: &str) -> bool {
        self.relation.is_none() && self.query.as_ref().is_some_and(|query| query.writes() == relation)
    }
}

impl Planning {
    pub fn new(context: PlanContext) -> Planning {
        Planning { context, ..Planning::default() }
    }

    /// From here on queries run, and nothing of what there is may be changed.
    pub fn fixed_and_running(mut self) -> Planning {
        self.running = true;
        self.entries.iter_mut().for_each(|entry| entry.fixed = true);
        self
    }

    pub fn pipeline(&self) -> &str {
        &self.context.pipeline
    }

    pub(super) fn context(&self) -> &PlanContext {
        &self.context
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn queries(&self) -> impl Iterator<Item = &Arc<QueryPlan>> {
        self.entries.iter().filter_map(Entry::live_query)
    }

    pub fn is_paused(&self, query: &str) -> bool {
        self.query_entry(query).is_some_and(|entry| entry.state == EntryState::Paused)
    }

    pub fn query_entry(&self, query: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.live_query().is_some_and(|found| found.name() == query))
    }

    /// Does what the statement says; on a finding nothing has changed.
    pub fn apply(&mut self, statement: &Statement, world: &World) -> Result<Answer, Finding> {
        let mut changed = self.clone();
        let answer = changed.apply_here(statement, world)?;
        *self = changed;
        Ok(answer)
    }

    /// Plans again what a store kept: an `INSERT` gets back the name it had.
    pub fn restore(&mut self, statement: &Statement, name: &str, state: EntryState) -> Result<(), Finding> {
        let mut changed = self.clone();
        match &statement.body {
            Body::Insert(insert) => changed.insert(statement, insert, Some(name)).map(drop)?,
            _ => changed.apply_here(statement, &World::default()).map(drop)?,
        }
        if let Some(entry) = changed.entries.last_mut() {
            entry.state = state;
        }
        *self = changed;
        Ok(())
    }

    fn apply_here(&mut self, statement: &Statement, world: &World) -> Result<Answer, Finding> {
        match &statement.body {
            Body::Declare(declare) => {
                self.create(statement, &declare.name, declare.or_replace, declare.if_not_exists, |planning| {
                    planning.declared(declare)
                })
            }
            Body::CreateAs(create) => {
                self.create(statement, &create.name, create.or_replace, create.if_not_exists, |planning| {
                    planning.created(create)
                })
            }
            Body::Insert(insert) => self.insert(statement, insert, None),
            Body::InsertValues(values) => {
                let relation = self.relation(&values.into)?;
                if !self.running {
                    return Err(Finding::new(
                        statement.at,
                        "INSERT INTO … VALUES would add its rows at every start",
                    )
                    .hint("run it once with `millstream sql`, or produce the records to the topic"));
                }
                Ok(Answer::done(statement, format!("rows for {} `{}`", relation.kind.name(), relation.name)))
            }
            Body::Explain(explained) => self.explain(statement, explained),
            Body::Select(select) => {
                Err(Finding::new(select.at, "a SELECT has nobody to answer to here")
                    .hint(if self.running {
                        "ask for it alone, or write CREATE STREAM … AS SELECT"
                    } else {
                        "write CREATE STREAM … AS SELECT, or EXPLAIN SELECT; `millstream sql` answers it on a running node"
                    }))
            }
            Body::Show(what) => Ok(self.show(statement, *what, world)),
            Body::Describe(name) => {
                let relation = self.relation(name)?;
                Ok(self.describe(statement, &relation))
            }
            Body::Drop(dropped) => self.drop_named(statement, dropped),
            Body::Pause(queries) => self.set_state(statement, queries, EntryState::Paused),
            Body::Resume(queries) => self.set_state(statement, queries, EntryState::Running),
        }
    }

    /// Adds what `plan` makes of a `CREATE`, in the place of what had the name before.
    fn create(
        &mut self,
        statement: &Statement,
        name: &Name,
        or_replace: bool,
        if_not_exists: bool,
        plan: impl FnOnce(&Planning) -> Result<(Relation, Option<QueryPlan>), Finding>,
    ) -> Result<Answer, Finding> {
        let known = self.entries.iter().position(|entry| entry.relation.is_some() && entry.name == name.text);
        let Some(known) = known else {
            let (relation, query) = plan(self)?;
            let words = format!("{} `{}` created", relation.kind.name(), relation.name);
            self.add(statement, relation, query);
            return Ok(Answer::done(statement, words));
        };
        let kind = self.entries[known].relation.as_ref().map_or("", |relation| relation.kind.name());
        if if_not_exists {
            return Ok(Answer::done(
                statement,
                format!("{kind} `{}` is there already: nothing done", name.text),
            ));
        }
        if !or_replace {
            return Err(Finding::new(name.at, format!("{kind} `{}` is declared already", name.text))
                .hint("choose another name, or write CREATE OR REPLACE"));
        }
        self.replace(statement, name, known, plan)
    }

    fn add(&mut self, statement: &Statement, relation: Relation, query: Option<QueryPlan>) {
        let relation = self.catalog.insert(relation);
        self.entries.push(Entry {
            name: relation.name.clone(),
            statement: Arc::new(statement.clone()),
            relation: Some(relation),
            query: query.map(Arc::new),
            state: EntryState::Running,
            fixed: false,
        });
    }

    /// Takes the old entry out with everything that depends on it, plans the new one, and plans those again on top of it.
    fn replace(
        &mut self,
        statement: &Statement,
        name: &Name,
        known: usize,
        plan: impl FnOnce(&Planning) -> Result<(Relation, Option<QueryPlan>), Finding>,
    ) -> Result<Answer, Finding> {
        let old = self.entries.remove(known);
        self.check_not_fixed(&old, name)?;
        let dependent = self.dependents(&name.text);
        let entries = std::mem::take(&mut self.entries);
        let (above, rest): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| dependent.contains(&entry.name));
        self.entries = rest;
        self.catalog.remove(&name.text);
        above
            .iter()
            .filter(|entry| entry.relation.is_some())
            .for_each(|entry| self.catalog.remove(&entry.name));
        let (relation, query) = plan(self).map_err(|finding| {
            match above.iter().find(|entry| finding.message.contains(&format!("`{}`", entry.name))) {
                Some(entry) => {
                    Finding::new(finding.at, format!("`{}` reads `{}` itself", entry.name, name.text))
                }
                None => finding,
            }
        })?;
        let kind = relation.kind.name();
        let goes_on = self.check_goes_on(&old, query.as_ref(), name);
        self.add(statement, relation, query);
        if old.state == EntryState::Paused
            && let Some(entry) = self.entries.last_mut()
        {
            entry.state = EntryState::Paused;
        }
        for entry in &above {
            self.plan_again(entry, name)?;
        }
        self.check_cycle(&name.text, name)?;
        goes_on?;
        Ok(Answer::done(statement, format!("{kind} `{}` replaced", name.text)))
    }

    fn plan_again(&mut self, old: &Entry, replaced: &Name) -> Result<(), Finding> {
        self.restore(&old.statement, &old.name, old.state).map_err(|finding| {
            let message = format!(
                "`{}` depends on `{}` and could not go on: {}",
                old.name, replaced.text, finding.message
            );
            Finding::new(replaced.at, message).hint("replace or drop it first")
        })?;
        if let Some(entry) = self.entries.last_mut() {
            entry.fixed = old.fixed;
        }
        let query = self.entries.last().and_then(|entry| entry.query.clone());
        self.check_goes_on(old, query.as_deref(), replaced)
    }

    /// Whether a query that runs can go on as `new` with the state and the positions it has.
    fn check_goes_on(&self, old: &Entry, new: Option<&QueryPlan>, name: &Name) -> Result<(), Finding> {
        let (true, Some(old_query), Some(new)) = (self.running, old.live_query(), new) else { return Ok(()) };
        compatible(old_query, new).map_err(|reason| {
            let kind = old.relation.as_ref().map_or("QUERY", |relation| relation.kind.name());
            Finding::new(name.at, format!("`{}` cannot go on with its state: {reason}", old.name)).hint(format!(
                "to start over: DROP {kind} {}, then CREATE it; or create it under another name beside this one",
                old.name
            ))
        })
    }

    /// Names of the entries that read the relation or write into it, and of those behind them.
    fn dependents(&self, relation: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![relation.to_owned()];
        while let Some(relation) = open.pop() {
            for entry in &self.entries {
                let depends = entry.reads(&relation) || entry.inserts_into(&relation);
                if depends && found.insert(entry.name.clone()) && entry.relation.is_some() {
                    open.push(entry.name.clone());
                }
            }
        }
        found
    }

    fn declared(&self, declare: &Declare) -> Result<(Relation, Option<QueryPlan>), Finding> {
        let relation = {
            let context = PlanningContext::new(&self.catalog, Vec::new(), 0);
            let planner = context.planner();
            ddl::declare(declare, |column| {
                let schema =
                    planner.build_schema(vec![column.clone()]).map_err(|error| error.strip_backtrace())?;
                Ok(Arc::new(schema.field(0).clone()))
            })?
        };
        self.check_watermark(&relation, &declare.name)?;
        self.check_query_name(&relation.name, &declare.name)?;
        let partitions = relation.partitions.or(self.partitions_of(&relation.topic));
        Ok((Relation { partitions, ..relation }, None))
    }

    fn created(&self, create: &CreateAs) -> Result<(Relation, Option<QueryPlan>), Finding> {
        let mut options = ddl::Options::read(&create.options)?;
        let topic = ddl::topic(&options, &create.name)?;
        options.partitions = options.partitions.or(self.partitions_of(&topic));
        let logical = logical::plan(&self.catalog, &create.select)?;
        let target = Target::New { kind: create.kind, name: &create.name, options: &options };
        let analyzed = Analyzed { name: &create.name.text, select: &create.select, beside: &options.beside };
        let query = analyze::query(&self.context, &analyzed, &logical, target)?;
        self.check_query_name(&query.name, &create.name)?;
        let Some(relation) = query.sink().map(|sink| sink.relation.as_ref().clone()) else {
            return Err(Finding::new(create.name.at, "the query gives nothing"));
        };
        Ok((relation, Some(query)))
    }

    /// As declared outside SQL.
    fn partitions_of(&self, topic: &str) -> Option<i32> {
        self.context.topics.get(topic).copied().flatten()
    }

    fn insert(
        &mut self,
        statement: &Statement,
        insert: &Insert,
        name: Option<&str>,
    ) -> Result<Answer, Finding> {
        let relation = self.relation(&insert.into)?;
        if relation.kind == RelationKind::Table {
            return Err(Finding::new(insert.into.at, format!("`{}` is a table", insert.into.text))
                .hint("INSERT INTO adds rows to a stream"));
        }
        let logical = logical::plan_into(&self.catalog, &insert.select, &relation)?;
        let (chosen, beside) = ddl::query_options(&insert.options)?;
        let name = match (name, chosen) {
            (Some(name), _) => name.to_owned(),
            (None, Some(chosen)) => {
                self.check_query_name(&chosen.text, &chosen)?;
                chosen.text
            }
            (None, None) => self.free_name(&relation.name),
        };
        let target = Target::Existing(relation);
        let analyzed = Analyzed { name: &name, select: &insert.select, beside: &beside };
        let query = analyze::query(&self.context, &analyzed, &logical, target)?;
        let words = format!("query `{name}` writes into `{}`", query.writes());
        self.entries.push(Entry {
            name,
            statement: Arc::new(statement.clone()),
            relation: None,
            query: Some(Arc::new(query)),
            state: EntryState::Running,
            fixed: false,
        });
        self.check_cycle(&insert.into.text, &insert.into)?;
        Ok(Answer::done(statement, words))
    }

    /// Queries that feed each other would run for ever on their own output: what is written to the relation must not come
    /// back to it.
    fn check_cycle(&self, relation: &str, name: &Name) -> Result<(), Finding> {
        let Some(start) = self.catalog.get(relation).map(|relation| relation.topic.as_str()) else {
            return Ok(());
        };
        let mut open = vec![start];
        let mut seen: Vec<&str> = Vec::new();
        while let Some(topic) = open.pop() {
            let fed = self.queries().filter(|query| query.input_topics().contains(&topic));
            for query in fed {
                if query.output_topic() == start {
                    let message = format!(
                        "what is written to `{relation}` would come back to it through query `{}`",
                        query.name()
                    );
                    return Err(Finding::new(name.at, message).hint("write into another stream"));
                }
                if !seen.contains(&query.output_topic()) {
                    seen.push(query.output_topic());
                    open.push(query.output_topic());
                }
            }
        }
        Ok(())
    }

    fn free_name(&self, relation: &str) -> String {
        (1..)
            .map(|number| format!("{relation}-{number}"))
            .find(|name| self.entries.iter().all(|entry| entry.name != *name))
            .unwrap_or_else(|| relation.to_owned())
    }

    /// Queries and relations share their names: that of a query says what it writes.
    fn check_query_name(&self, written: &str, name: &Name) -> Result<(), Finding> {
        match self.entries.iter().any(|entry| entry.name == written) {
            true => Err(Finding::new(name.at, format!("there is a query or relation `{written}` already"))
                .hint("choose another name")),
            false => Ok(()),
        }
    }

    fn explain(&self, statement: &Statement, explained: &Explained) -> Result<Answer, Finding> {
        match explained {
            Explained::Name(name) => match self.query_entry(&name.text).and_then(Entry::live_query) {
                Some(query) => Ok(Answer::plan(statement, query.explain())),
                None => Err(self.no_query(name)),
            },
            Explained::Statement(inner) => {
                let text = match &inner.body {
                    Body::Select(select) => self.explain_select(inner, select)?,
                    _ => self.explain_statement(inner)?,
                };
                Ok(Answer::plan(statement, &text))
            }
        }
    }

    /// A bare query is explained as the stream it would make, or the table, or else as rows for whoever asks.
    fn explain_select(&self, inner: &Statement, select: &Select) -> Result<String, Finding> {
        let kinds = [RelationKind::Stream, RelationKind::Table];
        let made = kinds.iter().find_map(|kind| {
            let body = Body::CreateAs(explained(select, *kind));
            self.explain_statement(&Statement { at: inner.at, text: inner.text.clone(), body }).ok()
        });
        match made {
            Some(text) => Ok(text),
            None => Ok(self.selected(select)?.plan.explain().to_owned()),
        }
    }

    fn explain_statement(&self, inner: &Statement) -> Result<String, Finding> {
        let mut planning = self.clone();
        planning.apply_here(inner, &World::default())?;
        let known: Vec<&Entry> = self.entries.iter().collect();
        let made = planning
            .entries
            .iter()
            .rev()
            .find(|entry| !known.iter().any(|known| Arc::ptr_eq(&known.statement, &entry.statement)));
        Ok(made
            .and_then(|entry| entry.query.as_ref())
            .map_or_else(String::new, |query| query.explain().to_owned()))
    }

    fn drop_named(&mut self, statement: &Statement, dropped: &Drop) -> Result<Answer, Finding> {
        let name = &dropped.name;
        let place = match dropped.what {
            Dropped::Query => self
                .entries
                .iter()
                .position(|entry| entry.live_query().is_some_and(|query| query.name() == name.text)),
            Dropped::Relation(_) => {
                self.entries.iter().position(|entry| entry.relation.is_some() && entry.name == name.text)
            }
        };
        let Some(place) = place else {
            if dropped.if_exists {
                return Ok(Answer::done(statement, format!("there is no `{}`: nothing done", name.text)));
            }
            return Err(match dropped.what {
                Dropped::Query => self.no_query(name),
                Dropped::Relation(_) => self.no_relation(name),
            });
        };
        self.check_not_fixed(&self.entries[place], name)?;
        match dropped.what {
            Dropped::Query => {
                if self.entries[place].relation.is_some() {
                    self.entries[place].state = EntryState::Ended;
                } else {
                    self.entries.remove(place);
                }
                Ok(Answer::done(statement, format!("query `{}` dropped", name.text)))
            }
            Dropped::Relation(kind) => {
                self.check_kind(&self.entries[place], kind, name)?;
                self.check_unused(name)?;
                self.entries.remove(place);
                self.catalog.remove(&name.text);
                Ok(Answer::done(statement, format!("{} `{}` dropped", kind.name(), name.text)))
            }
        }
    }

    fn check_kind(&self, entry: &Entry, kind: RelationKind, name: &Name) -> Result<(), Finding> {
        match entry.relation.as_ref().map(|relation| relation.kind).filter(|found| *found != kind) {
            Some(found) => Err(Finding::new(name.at, format!("`{}` is a {}", name.text, found.name()))
                .hint(format!("write DROP {} {}", found.name(), name.text))),
            None => Ok(()),
        }
    }

    fn check_unused(&self, name: &Name) -> Result<(), Finding> {
        let users: Vec<String> = self
            .entries
            .iter()
            .filter(|entry| entry.reads(&name.text) || entry.inserts_into(&name.text))
            .map(|entry| format!("`{}`", entry.name))
            .collect();
        if users.is_empty() {
            return Ok(());
        }
        let (verb, noun) = if users.len() == 1 { ("uses", "query") } else { ("use", "queries") };
        let message = format!("{noun} {} still {verb} `{}`", users.join(", "), name.text);
        Err(Finding::new(name.at, message).hint("drop what uses it first"))
    }

    fn check_not_fixed(&self, entry: &Entry, name: &Name) -> Result<(), Finding> {
        match entry.fixed {
            true => Err(Finding::new(name.at, format!("`{}` belongs to the pipeline's file", entry.name))
                .hint("change the file; PAUSE and RESUME work from here")),
            false => Ok(()),
        }
    }

    fn set_state(
        &mut self,
        statement: &Statement,
        queries: &Queries,
        state: EntryState,
    ) -> Result<Answer, Finding> {
        let done = if state == EntryState::Paused { "paused" } else { "resumed" };
        match queries {
            Queries::All => {
                let mut count = 0;
                for entry in self.entries.iter_mut().filter(|entry| entry.live_query().is_some()) {
                    count += usize::from(entry.state != state);
                    entry.state = state;
                }
                Ok(Answer::done(statement, format!("{count} queries {done}")))
            }
            Queries::One(name) => {
                let found = self
                    .entries
                    .iter()
                    .position(|entry| entry.live_query().is_some_and(|query| query.name() == name.text));
                let Some(entry) = found.and_then(|place| self.entries.get_mut(place)) else {
                    return Err(self.no_query(name));
                };
                entry.state = state;
                Ok(Answer::done(statement, format!("query `{}` {done}", name.text)))
            }
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

    pub fn relation(&self, name: &Name) -> Result<Arc<Relation>, Finding> {
        self.catalog.get(&name.text).cloned().ok_or_else(|| self.no_relation(name))
    }

    fn no_relation(&self, name: &Name) -> Finding {
        Finding::new(name.at, format!("no stream or table `{}` is declared before this statement", name.text))
            .maybe_hint(did_you_mean(&name.text, self.catalog.names()))
    }

    fn no_query(&self, name: &Name) -> Finding {
        let known: Vec<&str> = self.queries().map(|query| query.name()).collect();
        let declared = self.catalog.get(&name.text).is_some();
        let hint = match did_you_mean(&name.text, known.iter().copied()) {
            _ if declared => {
                Some(format!("`{}` is declared, but no query of this program writes it", name.text))
            }
            None if !known.is_empty() => Some(format!("queries here: {}", known.join(", "))),
            hint => hint,
        };
        Finding::new(name.at, format!("no query `{}`", name.text)).maybe_hint(hint)
    }
}

/// A bare query as the statement that would run it.
fn explained(select: &Select, kind: RelationKind) -> CreateAs {
    let name = Name { text: "explained".to_owned(), at: select.at };
    CreateAs {
        or_replace: true,
        if_not_exists: false,
        kind,
        name,
        options: Vec::new(),
        select: select.clone(),
    }
}

#[cfg(test)]
mod tests;
