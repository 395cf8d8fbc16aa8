//! The engine with real processes, real signals and real files.

mod children;
mod order;
mod support;
