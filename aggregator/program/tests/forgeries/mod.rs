//! Programs and files made to deceive. Every file is one kind of forgery.

mod allocation;
mod decoding;
mod degree;
mod multiplicity;
mod publics;
