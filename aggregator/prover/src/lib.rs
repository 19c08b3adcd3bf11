//! Provers of circuits and programs behind one trait.
