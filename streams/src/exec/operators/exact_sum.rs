//! Sums of doubles without rounding on the way: the result is the exact sum, rounded once (Shewchuk's expansions, 1997).
//!
//! So a sum never depends on the order of the rows, on how partitions interleave, on batch or commit bounds, or on a
//! restart half-way. A plain running sum depends on all of them.

/// An exact sum. Infinities and NaN are kept apart, added as usual.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ExactSum {
    /// Non-overlapping, of growing magnitude; typically one or two.
    partials: Vec<f64>,
    /// How many NaN, positive and negative infinities there are; absent for none.
    specials: Option<Box<[i64; 3]>>,
}

impl ExactSum {
    #[inline]
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.count_special(value, 1);
            return;
        }
        let mut carried = value;
        let mut kept = 0;
        for place in 0..self.partials.len() {
            let partial = self.partials[place];
            let (large, small) =
                if carried.abs() < partial.abs() { (partial, carried) } else { (carried, partial) };
            let sum = large + small;
            let lost = small - (sum - large);
            if lost != 0.0 {
                self.partials[kept] = lost;
                kept += 1;
            }
            carried = sum;
        }
        self.partials.truncate(kept);
        if carried.is_finite() {
            self.partials.push(carried);
        } else {
            self.count_special(carried, 1);
        }
    }

    /// Takes back what was added.
    pub fn subtract(&mut self, value: f64) {
        if value.is_finite() {
            self.add(-value);
        } else {
            self.count_special(value, -1);
        }
    }

    /// The sum, rounded to the nearest double, ties to even.
    pub fn value(&self) -> f64 {
        match self.specials.as_deref() {
            None | Some([0, 0, 0]) => {}
            Some([0, _, 0]) => return f64::INFINITY,
            Some([0, 0, _]) => return f64::NEG_INFINITY,
            Some(_) => return f64::NAN,
        }
        let mut rest = self.partials.iter().rev().copied();
        let Some(mut sum) = rest.next() else { return 0.0 };
        let mut lost = 0.0;
        for partial in rest.by_ref() {
            let before = sum;
            sum = before + partial;
            lost = partial - (sum - before);
            if lost != 0.0 {
                break;
            }
        }
        // What was lost is exactly half a unit: the remaining partials decide which way to round.
        if let Some(next) = rest.next()
            && ((lost < 0.0 && next < 0.0) || (lost > 0.0 && next > 0.0))
        {
            let doubled = lost * 2.0;
            let rounded = sum + doubled;
            if doubled == rounded - sum {
                sum = rounded;
            }
        }
        sum
    }

    /// The sum as numbers that do not overlap; `None` if an infinity or NaN is in it.
    pub fn partials(&self) -> Option<&[f64]> {
        self.specials.as_ref().is_none_or(|counts| **counts == [0; 3]).then_some(self.partials.as_slice())
    }

    pub fn merge(&mut self, other: &ExactSum) {
        other.partials.iter().for_each(|partial| self.add(*partial));
        let Some(specials) = &other.specials else { return };
        let counts = self.specials.get_or_insert_default();
        counts.iter_mut().zip(specials.iter()).for_each(|(count, more)| *count += more);
        if **counts == [0; 3] {
            self.specials = None;
        }
    }

    /// What to write down: partials, and how many NaN, positive and negative infinities.
    pub fn parts(&self) -> (&[f64], Option<[i64; 3]>) {
        (&self.partials, self.specials.as_deref().copied())
    }

    pub fn from_parts(partials: Vec<f64>, specials: Option<[i64; 3]>) -> ExactSum {
        ExactSum { partials, specials: specials.map(Box::new) }
    }

    fn count_special(&mut self, value: f64, step: i64) {
        let counts = self.specials.get_or_insert_default();
        let place = if value.is_nan() { 0 } else { 1 + usize::from(value < 0.0) };
        counts[place] += step;
        if **counts == [0; 3] {
            self.specials = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
        let mut sum = ExactSum::default();
        values.into_iter().for_each(|value| sum.add(value));
        sum.value()
    }

    #[test]
    fn small_values_survive_large_ones() {
        assert_eq!(sum([1e100, 1.0, -1e100, 1e-3]), 1.001);
        assert_eq!(sum([0.1; 10]), 1.0);
        assert_eq!(sum([]), 0.0);
        // Half a unit above an even double, and a trace more: rounds up, not to even.
        assert_eq!(sum([1e16, 1.0, 1e-16]), 10_000_000_000_000_002.0);
    }

    #[test]
    fn the_order_of_values_does_not_matter() {
        let values: Vec<f64> =
            (0..1000).map(|n| f64::from(n * 7919 % 1000) * 0.37 - 1e7 / f64::from(n + 1)).collect();
        let forward = sum(values.iter().copied());
        assert_eq!(forward.to_bits(), sum(values.iter().rev().copied()).to_bits());
        let (left, right) = values.split_at(333);
        assert_eq!(forward.to_bits(), sum(right.iter().chain(left).copied()).to_bits());
    }

    #[test]
    fn infinities_and_nan_behave_as_in_a_plain_sum() {
        assert_eq!(sum([1.0, f64::INFINITY]), f64::INFINITY);
        assert!(sum([f64::NEG_INFINITY, f64::INFINITY]).is_nan());
        assert_eq!(sum([f64::MAX, f64::MAX]), f64::INFINITY);
        let mut sum = ExactSum::default();
        [1.5, f64::INFINITY, f64::NAN, 1e300].into_iter().for_each(|value| sum.add(value));
        [f64::NAN, 1e300, f64::INFINITY].into_iter().for_each(|value| sum.subtract(value));
        assert_eq!(sum.value(), 1.5);
    }
}
