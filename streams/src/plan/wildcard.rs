//! `*` leaves the columns of metadata out, also where some are named beside it.
//!
//! A relation shows its metadata only when the statement names some, and then `*` would take them as well.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, TableFactor, VisitMut,
    VisitorMut, WildcardAdditionalOptions,
};

use crate::sql::catalog::Catalog;

/// Excepts `metadata` from every `*` over one relation that shows it.
pub(super) fn leave_out(metadata: &[&'static str], catalog: &Catalog, query: &mut Query) {
    if !metadata.is_empty() {
        let _never_breaks = query.visit(&mut LeaveOut { metadata, catalog });
    }
}

struct LeaveOut<'a> {
    metadata: &'a [&'static str],
    catalog: &'a Catalog,
}

impl VisitorMut for LeaveOut<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let shown = self.shown(select);
        for item in &mut select.projection {
            if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item {
                except(options, &shown);
            }
        }
        ControlFlow::Continue(())
    }
}

impl LeaveOut<'_> {
    /// The columns of metadata that the one relation shows beside its own. Of joins it is not known here whose columns `*`
    /// would leave out.
    fn shown(&self, select: &Select) -> Vec<&'static str> {
        let [from] = select.from.as_slice() else { return Vec::new() };
        let TableFactor::Table { name: ObjectName(parts), args, .. } = &from.relation else {
            return Vec::new();
        };
        let [ObjectNamePart::Identifier(name)] = parts.as_slice() else { return Vec::new() };
        match self.catalog.get(&name.value) {
            _ if !from.joins.is_empty() => Vec::new(),
            Some(relation) => {
                let is_own = |name: &str| relation.schema.field_with_name(name).is_ok();
                self.metadata.iter().copied().filter(|name| !is_own(name)).collect()
            }
            None if args.is_some() => self.metadata.to_vec(),
            None => Vec::new(),
        }
    }
}

fn except(options: &mut WildcardAdditionalOptions, shown: &[&str]) {
    if options.opt_exclude.is_some() {
        return;
    }
    let mut names: Vec<Ident> = match options.opt_except.take() {
        Some(except) => [vec![except.first_element], except.additional_elements].concat(),
        None => Vec::new(),
    };
    for column in shown {
        if !names.iter().any(|name| name.value == **column) {
            names.push(Ident::new(*column));
        }
    }
    let mut names = names.into_iter();
    options.opt_except = names
        .next()
        .map(|first_element| ExceptSelectItem { first_element, additional_elements: names.collect() });
}
