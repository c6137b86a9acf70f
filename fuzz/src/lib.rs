//! Fuzz targets for every decoder, driven on stable Rust.
