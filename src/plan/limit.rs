//! How large a plan may be.

/// The most steps of one plan. A lab of ten thousand machines needs a tenth of
/// it; what needs more multiplies itself by mistake.
pub const MOST_STEPS: usize = 1_000_000;
