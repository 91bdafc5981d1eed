//! Planning of `GROUPING SETS`, `ROLLUP` and `CUBE`: every row goes on once per set, with nothing in the columns that the set
//! leaves out and with the set's number, and is grouped by all of them.
//!
//! The number is DataFusion's: a bit per column in the order in which the sets first name them, the last column's the
//! lowest, 1 where the set leaves the column out. `grouping()` reads its bits.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;

use super::aggregate::Groups;
use super::analyze::{Analysis, physical_column, place, stay};
use super::graph::{Edge, EdgeKey, NodeId, Step};
use crate::diagnostic::Finding;
use crate::sql::parse::Emit;

/// Sets of one GROUP BY: every row is grouped that many times.
const SETS_MAX: usize = 64;

/// The columns of one set.
type Columns = Vec<Expr>;

impl Analysis<'_> {
    /// The input that has every row once per set, the groups, and which columns of it they are.
    pub fn grouping_sets(
        &mut self,
        aggregate: &Aggregate,
        node: NodeId,
        written: &GroupingSet,
    ) -> Result<(NodeId, Groups, Vec<Option<usize>>), Finding> {
        let sets = self.sets(written)?;
        let columns: Columns = written.distinct_expr().into_iter().cloned().collect();
        let input = self.edge(node).clone();
        let width = input.schema.fields().len();
        let (mut groups, mut places) = (Groups::new(), Vec::new());
        // What not every set has gets a column of its own, in which it is missing now and then.
        let mut partial = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let field = self.group_field(aggregate, index, column)?;
            if sets.iter().all(|set| set.contains(column)) {
                groups.push((self.compile(column, aggregate.input.schema())?, field));
                places.push(place(column, aggregate.input.schema()));
            } else {
                groups.push((physical_column(field.name(), width + partial.len()), field.clone()));
                places.push(None);
                partial.push((column.clone(), field));
            }
        }
        let number = aggregate.schema.field(columns.len()).clone();
        groups.push((physical_column(number.name(), width + partial.len()), number.clone()));
        places.push(None);

        let added = partial.iter().map(|(_, field)| field.clone()).chain([number.clone()]);
        let fields = input.schema.fields().iter().cloned().chain(added);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<Arc<Field>>>()));
        let kept: Vec<Option<usize>> =
            (0..width).map(Some).chain(partial.iter().map(|_| None)).chain([None]).collect();
        let mut edge = input.projected(schema, &kept);
        edge.key = edge.key.map(|key| EdgeKey { is_unique: false, ..key });
        let branches = sets.iter().map(|set| {
            let branch = self.branch(aggregate, &input, set, &columns, &partial, number.data_type())?;
            Ok(stay(self.graph.add(Step::Project(branch), vec![stay(node)], edge.clone())))
        });
        let branches = branches.collect::<Result<Vec<_>, Finding>>()?;
        Ok((self.graph.add(Step::Union, branches, edge), groups, places))
    }

    /// The columns of the input, those that not every set has, and the set's number.
    fn branch(
        &self,
        aggregate: &Aggregate,
        input: &Edge,
        set: &Columns,
        columns: &Columns,
        partial: &[(Expr, Arc<Field>)],
        number_type: &DataType,
    ) -> Result<Vec<Arc<dyn PhysicalExpr>>, Finding> {
        let constant = |value: ScalarValue| -> Arc<dyn PhysicalExpr> { Arc::new(Literal::new(value)) };
        let width = input.schema.fields().len();
        let mut branch: Vec<Arc<dyn PhysicalExpr>> =
            (0..width).map(|column| physical_column(input.name(column), column)).collect();
        for (column, field) in partial {
            branch.push(if set.contains(column) {
                self.compile(column, aggregate.input.schema())?
            } else {
                constant(ScalarValue::try_new_null(field.data_type()).map_err(|error| self.trouble(&error))?)
            });
        }
        let number =
            columns.iter().fold(0_u64, |number, column| number << 1 | u64::from(!set.contains(column)));
        let number = ScalarValue::UInt64(Some(number)).cast_to(number_type);
        branch.push(constant(number.map_err(|error| self.trouble(&error))?));
        Ok(branch)
    }

    fn sets(&self, written: &GroupingSet) -> Result<Vec<Columns>, Finding> {
        if self.select.emit != Some(Emit::Final) {
            return Err(self
                .refuse("the groups of several sets have no key in common, so results that change cannot replace each other")
                .hint("read FROM TUMBLE(…), name window_start and window_end in every set, and end the query in EMIT FINAL"));
        }
        let too_many = || self.refuse(&format!("GROUP BY has more than {SETS_MAX} sets"));
        let sets = match written {
            GroupingSet::GroupingSets(sets) => sets.clone(),
            GroupingSet::Rollup(columns) => {
                (0..=columns.len()).rev().map(|count| columns[..count].to_vec()).collect()
            }
            GroupingSet::Cube(columns) if columns.len() > SETS_MAX.ilog2() as usize => return Err(too_many()),
            GroupingSet::Cube(columns) => (0..1_usize << columns.len())
                .map(|chosen| {
                    let is_chosen = |at: &usize| chosen >> at & 1 == 0;
                    (0..columns.len()).filter(is_chosen).map(|at| columns[at].clone()).collect()
                })
                .collect(),
        };
        if sets.len() > SETS_MAX || written.distinct_expr().len() > SETS_MAX {
            return Err(too_many());
        }
        let has = |set: &Columns, other: &Columns| set.iter().all(|column| other.contains(column));
        let is_twice = |at: usize| {
            sets[..at].iter().any(|earlier: &Columns| has(earlier, &sets[at]) && has(&sets[at], earlier))
        };
        if (0..sets.len()).any(is_twice) {
            return Err(self.refuse("GROUP BY names a set twice").hint("leave one of them out"));
        }
        Ok(sets)
    }
}
