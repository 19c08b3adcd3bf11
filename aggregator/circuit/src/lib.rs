//! Circuits over KoalaBear: a builder, five tables joined by one memory bus, and an executor.
