//! Whether a nested JSON value can be read as its column's type: Arrow's reader fails a whole batch for one value, so
//! each is checked as it comes in.

use arrow::datatypes::DataType;
use serde_json::Value;

/// Whether `text` is JSON at all.
pub(super) fn well_formed(text: &[u8]) -> Result<(), String> {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).map(|_| ()).map_err(|error| error.to_string())
}

/// Whether `text` is JSON of the given type.
pub(super) fn check(text: &[u8], data_type: &DataType) -> Result<(), String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if fits(&value, data_type) {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(text.get(..60).unwrap_or(text));
    Err(format!("wants {}, not `{shown}`", super::column::sql_name(data_type)))
}

fn fits(value: &Value, data_type: &DataType) -> bool {
    match (value, data_type) {
        (Value::Null, _) => true,
        (Value::Object(members), DataType::Struct(fields)) => fields
            .iter()
            .all(|field| members.get(field.name()).is_none_or(|member| fits(member, field.data_type()))),
        (Value::Array(elements), DataType::List(field)) => {
            elements.iter().all(|element| fits(element, field.data_type()))
        }
        (Value::Object(members), DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(pair) => pair
                .get(1)
                .is_some_and(|field| members.values().all(|member| fits(member, field.data_type()))),
            _ => false,
        },
        (Value::Bool(_), DataType::Boolean) => true,
        (Value::Number(number), DataType::Int8) => within(number.as_i64(), i8::MIN.into(), i8::MAX.into()),
        (Value::Number(number), DataType::Int16) => within(number.as_i64(), i16::MIN.into(), i16::MAX.into()),
        (Value::Number(number), DataType::Int32) => within(number.as_i64(), i32::MIN.into(), i32::MAX.into()),
        (Value::Number(number), DataType::Int64) => number.is_i64(),
        (Value::Number(_), DataType::Float32 | DataType::Float64 | DataType::Decimal128(..)) => true,
        (Value::String(text), DataType::Timestamp(..)) => {
            super::time::parse_instant(text.as_bytes()).is_some()
        }
        (Value::String(text), DataType::Date32) => super::time::parse_date(text.as_bytes()).is_some(),
        (Value::String(_), DataType::Utf8 | DataType::Utf8View) => true,
        _ => false,
    }
}

fn within(value: Option<i64>, least: i64, greatest: i64) -> bool {
    value.is_some_and(|value| (least..=greatest).contains(&value))
}
