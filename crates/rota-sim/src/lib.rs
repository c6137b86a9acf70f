//! Why it is believed.
