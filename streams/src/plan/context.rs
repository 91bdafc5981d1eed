//! What DataFusion's SQL planner asks for: relations, functions and types.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, SchemaRef, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast;

use super::as_of::VersionPlanner;
use super::window::WindowPlanner;
use super::{modulo, now};
use crate::sql::catalog::{Catalog, Relation};

/// The catalog as SQL planning sees it for one query.
pub(crate) struct PlanningContext<'a> {
    pub catalog: &'a Catalog,
    /// Metadata columns the query names; the others are not part of `*`.
    metadata: Vec<&'static str>,
    options: ConfigOptions,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
}

/// A relation as a table of the logical plan.
pub(crate) struct RelationSource {
    pub relation: Arc<Relation>,
    schema: SchemaRef,
}

impl RelationSource {
    pub fn new(relation: Arc<Relation>) -> RelationSource {
        RelationSource { schema: relation.schema.clone(), relation }
    }
}

impl TableSource for RelationSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl<'a> PlanningContext<'a> {
    pub fn new(catalog: &'a Catalog, metadata: Vec<&'static str>, grace_ms: i64) -> PlanningContext<'a> {
        PlanningContext {
            catalog,
            metadata,
            options: ConfigOptions::new(),
            relation_planners: vec![Arc::new(VersionPlanner), Arc::new(WindowPlanner { grace_ms })],
        }
    }

    pub fn planner(&self) -> SqlToRel<'_, PlanningContext<'a>> {
        let options = ParserOptions::new().with_map_string_types_to_utf8view(false).with_collect_spans(true);
        SqlToRel::new_with_options(self, options)
    }
}

impl ContextProvider for PlanningContext<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let found = match &name {
            TableReference::Bare { table } => self.catalog.get(table),
            _ => None,
        };
        let relation = found
            .cloned()
            .ok_or_else(|| DataFusionError::External(Box::new(NoRelation(name.to_string()))))?;
        let schema = relation.schema_with(&self.metadata);
        Ok(Arc::new(RelationSource { relation, schema }))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &functions().expression_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        functions().scalar.get(name).cloned()
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        functions().aggregate.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        functions().window.get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        functions().scalar.keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        functions().aggregate.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        functions().window.keys().cloned().collect()
    }
}

/// A query named a relation that is not declared.
#[derive(Debug, thiserror::Error)]
#[error("no stream or table `{0}` is declared before this statement")]
pub(crate) struct NoRelation(pub String);

/// `TIMESTAMP` without a precision is microseconds: enough for every source, and with a range of 290,000 years.
#[derive(Debug)]
struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, written: &ast::DataType) -> Result<Option<FieldRef>> {
        let zone = match written {
            ast::DataType::Timestamp(None, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone) => {
                None
            }
            ast::DataType::Timestamp(None, ast::TimezoneInfo::WithTimeZone | ast::TimezoneInfo::Tz) => {
                Some(Arc::from("+00:00"))
            }
            ast::DataType::Map(key, value) => return map_type(key, value).map(Some),
            _ => return Ok(None),
        };
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, zone);
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}

/// `MAP(TEXT, value)`, as a JSON object has it.
fn map_type(key: &ast::DataType, value: &ast::DataType) -> Result<FieldRef> {
    let catalog = Catalog::default();
    let context = PlanningContext::new(&catalog, Vec::new(), 0);
    let planned = |data_type: &ast::DataType| -> Result<DataType> {
        let name = ast::Ident::new("c");
        let column = ast::ColumnDef { name, data_type: data_type.clone(), options: Vec::new() };
        Ok(context.planner().build_schema(vec![column])?.field(0).data_type().clone())
    };
    let key = planned(key)?;
    if key != DataType::Utf8 {
        return Err(DataFusionError::Plan(format!("the keys of a MAP are TEXT, as in JSON, not {key}")));
    }
    let entry = [Field::new("key", key, false), Field::new("value", planned(value)?, true)];
    let entries = Field::new("entries", DataType::Struct(entry.to_vec().into()), false);
    Ok(Arc::new(Field::new("", DataType::Map(Arc::new(entries), false), true)))
}

/// DataFusion's functions by every name they answer to.
pub(crate) struct Functions {
    pub scalar: HashMap<String, Arc<ScalarUDF>>,
    pub aggregate: HashMap<String, Arc<AggregateUDF>>,
    pub window: HashMap<String, Arc<WindowUDF>>,
    expression_planners: Vec<Arc<dyn ExprPlanner>>,
}

pub(crate) fn functions() -> &'static Functions {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    FUNCTIONS.get_or_init(|| Functions {
        scalar: scalar_functions(),
        aggregate: by_name(SessionStateDefaults::default_aggregate_functions(), |function| {
            (function.name(), function.aliases())
        }),
        window: by_name(SessionStateDefaults::default_window_functions(), |function| {
            (function.name(), function.aliases())
        }),
        expression_planners: SessionStateDefaults::default_expr_planners(),
    })
}

fn scalar_functions() -> HashMap<String, Arc<ScalarUDF>> {
    let of_datafusion = SessionStateDefaults::default_scalar_functions();
    let mut found = by_name(of_datafusion, |function| (function.name(), function.aliases()));
    let ours = now::functions().into_iter().chain([modulo::function()]);
    found.extend(ours.map(|(name, function)| (name.to_owned(), function)));
    found
}

fn by_name<F>(functions: Vec<Arc<F>>, names: impl Fn(&F) -> (&str, &[String])) -> HashMap<String, Arc<F>> {
    let mut found = HashMap::new();
    for function in functions {
        let (name, aliases) = names(&function);
        for name in aliases.iter().map(String::as_str).chain([name]) {
            found.insert(name.to_owned(), function.clone());
        }
    }
    found
}
