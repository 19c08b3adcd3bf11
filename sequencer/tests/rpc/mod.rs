//! The interface, from the outside: what honest clients get, and what others do not.

mod bad_ethereum_transactions;
mod blocks;
mod connection_flood;
mod ethereum_face;
mod limits;
mod observing;
mod oversized_request;
mod ranges;
mod receipts;
mod slow_reader;
mod subscriptions;
mod upstream;
