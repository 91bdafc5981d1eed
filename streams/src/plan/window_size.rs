//! The windows of a query: what the lengths in `TUMBLE(…, size)`, `HOP(…, advance, size)`, `CUMULATE(…, step, size)` and
//! `SESSION(…, gap)` mean.

use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::Expr;

/// Most windows one row may fall into.
const MAX_OVERLAP: i64 = 1_000;

/// The windows of a query, all in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WindowSize {
    pub shape: WindowShape,
    /// Of a session: the gap that ends it. Of cumulative windows: the longest.
    pub size_us: i64,
    /// Distance between starts, or between the ends of cumulative windows; equals the size of tumbling windows.
    pub advance_us: i64,
    /// Where windows start, counted from the epoch and its multiples.
    pub offset_us: i64,
    /// How long after its end a window still takes rows.
    pub grace_us: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum WindowShape {
    /// All of one length: tumbling and hopping.
    Fixed,
    /// From one start, each a step longer than the one before.
    Cumulative,
    /// As long as rows of a key come, none more than the gap after the one before.
    Session,
}

impl WindowSize {
    /// Whether the start of a window says which one it is.
    pub fn is_told_by_start(self) -> bool {
        self.shape != WindowShape::Cumulative
    }

    /// The last start of a window of fixed length that is not after `time_us`; of cumulative ones the only.
    pub fn last_start_us(self, time_us: i64) -> i64 {
        let distance = match self.shape {
            WindowShape::Cumulative => self.size_us,
            _ => self.advance_us,
        };
        let shifted = time_us.saturating_sub(self.offset_us);
        shifted.div_euclid(distance).saturating_mul(distance).saturating_add(self.offset_us)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowFunction {
    Tumble,
    Hop,
    Cumulate,
    Session,
}

impl WindowFunction {
    pub fn of(name: &str) -> Option<WindowFunction> {
        Some(match name.to_lowercase().as_str() {
            "tumble" => WindowFunction::Tumble,
            "hop" => WindowFunction::Hop,
            "cumulate" => WindowFunction::Cumulate,
            "session" => WindowFunction::Session,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            WindowFunction::Tumble => "TUMBLE",
            WindowFunction::Hop => "HOP",
            WindowFunction::Cumulate => "CUMULATE",
            WindowFunction::Session => "SESSION",
        }
    }

    /// Names of the lengths in their order, the last of them optional.
    fn lengths(self) -> &'static [&'static str] {
        match self {
            WindowFunction::Tumble => &["size", "offset"],
            WindowFunction::Hop => &["slide", "size", "offset"],
            WindowFunction::Cumulate => &["step", "size", "offset"],
            WindowFunction::Session => &["gap"],
        }
    }

    fn expected(self) -> &'static str {
        match self {
            WindowFunction::Tumble => "expected TUMBLE(relation, column, INTERVAL 'size')",
            WindowFunction::Hop => "expected HOP(relation, column, INTERVAL 'advance', INTERVAL 'size')",
            WindowFunction::Cumulate => {
                "expected CUMULATE(relation, column, INTERVAL 'step', INTERVAL 'size')"
            }
            WindowFunction::Session => {
                "expected SESSION(relation, column, INTERVAL 'gap'), or SESSION(TABLE relation PARTITION BY key, \
                 DESCRIPTOR(column), INTERVAL 'gap')"
            }
        }
    }
}

/// The lengths of a window function by the place of their name.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    found_us: [Option<i64>; 3],
}

impl Lengths {
    pub fn add(&mut self, function: WindowFunction, name: Option<&str>, length_us: i64) -> Result<()> {
        let names = function.lengths();
        let place = match name {
            None => self.found_us.iter().position(Option::is_none),
            Some(name) => names.iter().position(|known| *known == name),
        };
        match place.filter(|place| *place < names.len()) {
            Some(place) if self.found_us[place].is_none() => self.found_us[place] = Some(length_us),
            _ => return refuse(function.expected()),
        }
        if length_us <= 0 && names[place.unwrap_or(0)] != "offset" {
            return refuse("a window's length must be positive");
        }
        Ok(())
    }

    pub fn size(&self, function: WindowFunction, grace_us: i64) -> Result<WindowSize> {
        let fixed = |size_us, advance_us, offset: Option<i64>| WindowSize {
            shape: WindowShape::Fixed,
            size_us,
            advance_us,
            offset_us: offset.unwrap_or(0).rem_euclid(advance_us),
            grace_us,
        };
        match (function, self.found_us) {
            (WindowFunction::Tumble, [Some(size), offset, _]) => Ok(fixed(size, size, offset)),
            (WindowFunction::Hop, [Some(advance), Some(size), _]) if advance > size => refuse(
                "windows that advance by more than their size leave gaps: write HOP(relation, column, advance, size)",
            ),
            (WindowFunction::Hop | WindowFunction::Cumulate, [Some(step), Some(size), _])
                if size / step > MAX_OVERLAP =>
            {
                refuse(format!("each row would be in more than {MAX_OVERLAP} windows: advance by more"))
            }
            (WindowFunction::Hop, [Some(advance), Some(size), offset]) => Ok(fixed(size, advance, offset)),
            (WindowFunction::Cumulate, [Some(step), Some(size), _]) if size % step != 0 => refuse(
                "the longest cumulative window is not a whole number of steps: write CUMULATE(relation, column, step, size)",
            ),
            (WindowFunction::Cumulate, [Some(step), Some(size), offset]) => Ok(WindowSize {
                shape: WindowShape::Cumulative,
                size_us: size,
                advance_us: step,
                offset_us: offset.unwrap_or(0).rem_euclid(size),
                grace_us,
            }),
            (WindowFunction::Session, [Some(gap), ..]) => Ok(WindowSize {
                shape: WindowShape::Session,
                size_us: gap,
                advance_us: gap,
                offset_us: 0,
                grace_us,
            }),
            _ => refuse(function.expected()),
        }
    }
}

/// The microseconds of an interval of fixed length.
pub(super) fn interval_us(length: &Expr) -> Result<i64> {
    let found = match length {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) if interval.months == 0 => {
            i64::from(interval.days)
                .checked_mul(86_400_000_000)
                .and_then(|days| days.checked_add(interval.nanoseconds / 1_000))
        }
        Expr::Literal(ScalarValue::IntervalDayTime(Some(interval)), _) => i64::from(interval.days)
            .checked_mul(86_400_000_000)
            .and_then(|days| days.checked_add(i64::from(interval.milliseconds) * 1_000)),
        Expr::Literal(
            ScalarValue::IntervalMonthDayNano(Some(_)) | ScalarValue::IntervalYearMonth(Some(_)),
            _,
        ) => {
            return refuse(
                "months and years have no fixed length: write the window in days, hours, minutes or seconds",
            );
        }
        _ => {
            return refuse(format!(
                "a window's length is an INTERVAL such as INTERVAL '1' MINUTE, not {length}"
            ));
        }
    };
    found.map_or_else(|| refuse("the window is too long"), Ok)
}

pub(super) fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(DataFusionError::Plan(reason.into()))
}
