//! The page that shows how little a rollup writes shows what is compiled.

use std::path::Path;

#[test]
fn the_counter_of_the_docs_is_the_counter() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let source = std::fs::read_to_string(root.join("rollup/counter/src/lib.rs")).unwrap();
    let page = std::fs::read_to_string(root.join("docs/integrating.md")).unwrap();
    let shown = page.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let code = source.split_once("#![deny(missing_docs)]\n\n").unwrap().1;
    assert_eq!(shown, code);
}
