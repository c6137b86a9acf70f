//! One operator.

pub mod feed;
