//! One table that a sink writes: its columns, what is missing of them, and the statements for many rows at once.

use std::collections::HashMap;

use millstream_sdk::error::ConnectorError;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};

use super::catalog::{self, ColumnInfo, TableInfo};
use super::input::{Field, Text, array_text};
use super::session::{classed, quoted_name};
use super::sink_options::{Mode, SinkOptions};

pub(super) struct Target {
    pub info: TableInfo,
    /// Columns that tell rows apart, in the order of the record's key; empty where rows are only added.
    pub key: Vec<String>,
    places: HashMap<String, usize>,
    statements: HashMap<Vec<usize>, Statement>,
    deletion: Option<Statement>,
}

/// A row as texts, by column of the table; absent ones keep what is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TargetRow {
    pub cells: Vec<Option<Text>>,
    pub key: Vec<Text>,
    /// The row was deleted before, in the same run.
    pub is_new: bool,
}

impl Target {
    /// Looks the table up, or makes it for rows such as these.
    pub async fn open(
        sql: &Client,
        options: &SinkOptions,
        name: &str,
        sample: &[&[Field]],
    ) -> Result<Target, ConnectorError> {
        let (schema, table) = match name.split_once('.') {
            Some((schema, table)) => (schema.to_owned(), table.to_owned()),
            None => {
                let current =
                    catalog::value(sql, "SELECT current_schema()", "looking for the schema").await?;
                (current.unwrap_or_else(|| "public".to_owned()), name.to_owned())
            }
        };
        let info = match catalog::table(sql, &schema, &table).await? {
            Some(info) => info,
            None if options.create => Target::create(sql, options, &schema, &table, sample).await?,
            None => {
                return Err(ConnectorError::config(format!(
                    "table `{schema}.{table}` does not exist; make it, or set `create: true`"
                )));
            }
        };
        let key = match (&options.key, options.mode) {
            (_, Mode::Append) => Vec::new(),
            (Some(key), _) => key.clone(),
            (None, _) => info.primary_key.clone(),
        };
        if key.is_empty() && options.mode != Mode::Append {
            return Err(ConnectorError::config(format!(
                "table `{schema}.{table}` has no primary key to write by; set `key`, or `mode: append`"
            )));
        }
        let mut target =
            Target { info, key, places: HashMap::new(), statements: HashMap::new(), deletion: None };
        target.find_places();
        if let Some(missing) = target.key.iter().find(|name| !target.places.contains_key(*name)) {
            return Err(ConnectorError::config(format!(
                "table `{schema}.{table}` has no column `{missing}`, which `key` names"
            )));
        }
        Ok(target)
    }

    async fn create(
        sql: &Client,
        options: &SinkOptions,
        schema: &str,
        table: &str,
        sample: &[&[Field]],
    ) -> Result<TableInfo, ConnectorError> {
        let mut columns: Vec<(String, &str)> = Vec::new();
        let known_only = |field: &&Field| field.value.is_some() || options.columns.contains_key(&field.name);
        // Columns of which only NULL has been seen come last, as text.
        let (seen, unseen): (Vec<&Field>, Vec<&Field>) =
            sample.iter().copied().flatten().partition(known_only);
        for field in seen.into_iter().chain(unseen) {
            let declared = options.columns.get(&field.name).map(String::as_str);
            let column_type = declared.unwrap_or_else(|| field.shape.column_type());
            match columns.iter_mut().find(|(name, _)| *name == field.name) {
                None => columns.push((field.name.clone(), column_type)),
                // A whole number first and a fraction later.
                Some(known) if declared.is_none() => known.1 = wider(known.1, column_type, field),
                Some(_) => {}
            }
        }
        // Rows that are only added may be alike.
        let key = options.key.clone().filter(|_| options.mode != Mode::Append).unwrap_or_default();
        if options.mode != Mode::Append && key.is_empty() {
            return Err(ConnectorError::config(format!(
                "table `{schema}.{table}` must be made, but by what key? set `key`"
            )));
        }
        for name in &key {
            if !columns.iter().any(|(known, _)| known == name) {
                columns.push((name.clone(), options.columns.get(name).map_or("text", String::as_str)));
            }
        }
        let mut parts: Vec<String> = columns
            .iter()
            .map(|(name, column_type)| format!("{} {column_type}", quoted_name(name)))
            .collect();
        if !key.is_empty() {
            let names: Vec<String> = key.iter().map(|name| quoted_name(name)).collect();
            parts.push(format!("PRIMARY KEY ({})", names.join(", ")));
        }
        let name = format!("{}.{}", quoted_name(schema), quoted_name(table));
        let command = format!("CREATE TABLE IF NOT EXISTS {name} ({})", parts.join(", "));
        let attempt = format!("creating table {schema}.{table}");
        sql.batch_execute(&command).await.map_err(classed(&attempt))?;
        let made = catalog::table(sql, schema, table).await?;
        made.ok_or_else(|| ConnectorError::fatal(format!("{attempt}: it is not there afterwards")))
    }

    /// Adds columns for fields that the table lacks, or says which they are.
    pub async fn widen(
        &mut self,
        sql: &Client,
        options: &SinkOptions,
        fields: &[Field],
    ) -> Result<(), String> {
        let missing: Vec<&Field> =
            fields.iter().filter(|field| !self.places.contains_key(&field.name)).collect();
        let Some(first) = missing.first() else { return Ok(()) };
        if !options.evolve {
            return Err(format!(
                "table `{}` has no column `{}`; add it, or set `evolve: true`",
                self.info.name, first.name
            ));
        }
        let additions = missing.iter().map(|field| {
            let column_type =
                options.columns.get(&field.name).map_or(field.shape.column_type(), String::as_str);
            format!("ADD COLUMN IF NOT EXISTS {} {column_type}", quoted_name(&field.name))
        });
        let additions: Vec<String> = additions.collect();
        let command = format!("ALTER TABLE {} {}", self.info.quoted(), additions.join(", "));
        sql.batch_execute(&command).await.map_err(|error| classed("adding columns")(error).to_string())?;
        let found = catalog::table(sql, &self.info.schema, &self.info.name).await;
        self.info = found.map_err(|error| error.to_string())?.ok_or("the table is gone")?;
        self.find_places();
        self.statements.clear();
        self.deletion = None;
        Ok(())
    }

    /// The row as the table has it; the record's own key fills key columns that the value lacks.
    pub fn row(
        &self,
        fields: Vec<Field>,
        key: &dyn Fn() -> Result<Vec<Text>, String>,
    ) -> Result<TargetRow, String> {
        let mut cells: Vec<Option<Text>> = vec![None; self.info.columns.len()];
        for Field { name, value, .. } in fields {
            let Some(place) = self.places.get(&name) else { continue };
            let is_array =
                self.info.columns.get(*place).is_some_and(|column| column.type_name.ends_with("[]"));
            let value = match value {
                Some(list) if is_array && list.starts_with('[') => Some(array_text(&list)?),
                value => value,
            };
            if let Some(cell) = cells.get_mut(*place) {
                *cell = Some(value);
            }
        }
        let places: Vec<usize> = self.key.iter().filter_map(|name| self.places.get(name)).copied().collect();
        let lacks = |place: &usize| cells.get(*place).is_none_or(Option::is_none);
        if places.iter().any(lacks) {
            for (place, part) in places.iter().zip(key()?) {
                if let Some(cell @ None) = cells.get_mut(*place) {
                    *cell = Some(part);
                }
            }
        }
        let part = |place: &usize| cells.get(*place).cloned().flatten().flatten();
        let key: Vec<Text> = places.iter().map(part).collect();
        match key.iter().position(Option::is_none) {
            Some(null) => {
                Err(format!("key column `{}` is null", self.key.get(null).map_or("", String::as_str)))
            }
            None => Ok(TargetRow { cells, key, is_new: false }),
        }
    }

    /// Writes rows of different keys, those with the same columns in one statement.
    pub async fn put(&mut self, sql: &Client, mode: Mode, rows: &[&TargetRow]) -> Result<(), Error> {
        let mut groups: Vec<(Vec<usize>, Vec<&TargetRow>)> = Vec::new();
        for row in rows {
            let present =
                row.cells.iter().enumerate().filter(|(_, cell)| cell.is_some()).map(|(place, _)| place);
            let present: Vec<usize> = present.collect();
            match groups.iter_mut().find(|(known, _)| *known == present) {
                Some((_, members)) => members.push(row),
                None => groups.push((present, vec![row])),
            }
        }
        for (places, members) in groups {
            if !self.statements.contains_key(&places) {
                let statement = sql.prepare(&self.insertion(mode, &places)).await?;
                self.statements.insert(places.clone(), statement);
            }
            let Some(statement) = self.statements.get(&places) else { continue };
            let columns: Vec<Vec<Option<&str>>> = places
                .iter()
                .map(|place| members.iter().map(|row| text_within(row, *place)).collect())
                .collect();
            let parameters: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| column as _).collect();
            sql.execute(statement, &parameters).await?;
        }
        Ok(())
    }

    /// Deletes rows by their keys.
    pub async fn delete(&mut self, sql: &Client, keys: &[&[Text]]) -> Result<(), Error> {
        if keys.is_empty() {
            return Ok(());
        }
        if self.deletion.is_none() {
            self.deletion = Some(sql.prepare(&self.deletion_text()).await?);
        }
        let Some(statement) = &self.deletion else { return Ok(()) };
        let columns: Vec<Vec<Option<&str>>> = (0..self.key.len())
            .map(|part| keys.iter().map(|key| key.get(part).and_then(Option::as_deref)).collect())
            .collect();
        let parameters: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| column as _).collect();
        sql.execute(statement, &parameters).await.map(drop)
    }

    fn find_places(&mut self) {
        let places = self.info.columns.iter().enumerate();
        self.places = places.map(|(place, column)| (column.name.clone(), place)).collect();
    }

    fn column(&self, place: usize) -> Option<&ColumnInfo> {
        self.info.columns.get(place)
    }

    fn insertion(&self, mode: Mode, places: &[usize]) -> String {
        let columns: Vec<&ColumnInfo> = places.iter().filter_map(|place| self.column(*place)).collect();
        let names: Vec<String> = columns.iter().map(|column| quoted_name(&column.name)).collect();
        let casts: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(number, column)| format!("u.c{number}::{}", column.type_name))
            .collect();
        let arrays: Vec<String> = (1..=columns.len()).map(|number| format!("${number}::text[]")).collect();
        let aliases: Vec<String> = (0..columns.len()).map(|number| format!("c{number}")).collect();
        let conflict = match mode {
            Mode::Append => String::new(),
            Mode::Insert => format!(" ON CONFLICT ({}) DO NOTHING", self.key_names()),
            Mode::Upsert => {
                let others = columns.iter().filter(|column| !self.key.contains(&column.name));
                let sets: Vec<String> =
                    others.map(|column| format!("{0} = EXCLUDED.{0}", quoted_name(&column.name))).collect();
                match sets.is_empty() {
                    true => format!(" ON CONFLICT ({}) DO NOTHING", self.key_names()),
                    false => format!(" ON CONFLICT ({}) DO UPDATE SET {}", self.key_names(), sets.join(", ")),
                }
            }
        };
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS u({}){conflict}",
            self.info.quoted(),
            names.join(", "),
            casts.join(", "),
            arrays.join(", "),
            aliases.join(", ")
        )
    }

    fn deletion_text(&self) -> String {
        let columns: Vec<&ColumnInfo> =
            self.key.iter().filter_map(|name| self.column(*self.places.get(name)?)).collect();
        let arrays: Vec<String> = (1..=columns.len()).map(|number| format!("${number}::text[]")).collect();
        let aliases: Vec<String> = (0..columns.len()).map(|number| format!("c{number}")).collect();
        let matches: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(number, column)| {
                format!("t.{} = u.c{number}::{}", quoted_name(&column.name), column.type_name)
            })
            .collect();
        format!(
            "DELETE FROM {} AS t USING unnest({}) AS u({}) WHERE {}",
            self.info.quoted(),
            arrays.join(", "),
            aliases.join(", "),
            matches.join(" AND ")
        )
    }

    fn key_names(&self) -> String {
        let names: Vec<String> = self.key.iter().map(|name| quoted_name(name)).collect();
        names.join(", ")
    }
}

fn text_within(row: &TargetRow, place: usize) -> Option<&str> {
    row.cells.get(place)?.as_ref()?.as_deref()
}

/// The type that holds both.
fn wider<'a>(known: &'a str, found: &'a str, field: &Field) -> &'a str {
    match (known, found) {
        _ if field.value.is_none() || known == found => known,
        ("bigint", "double precision") | ("double precision", "bigint") => "double precision",
        _ => "text",
    }
}
