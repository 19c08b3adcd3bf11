//! Namespace tables: every namespace is proven, there or not there.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sinter_primitives::{Namespace, NamespaceTable};
use sinter_primitives_fuzz::canonical;

fuzz_target!(|bytes: &[u8]| {
    let Some(table) = canonical::<NamespaceTable>(bytes, &32) else { return };
    let root = table.root();
    let ends = [Namespace(0), Namespace(u64::MAX)];
    for namespace in table.leaves().iter().map(|leaf| leaf.namespace).chain(ends) {
        for namespace in [namespace.0.wrapping_sub(1), namespace.0, namespace.0.wrapping_add(1)].map(Namespace) {
            let proof = table.prove(namespace);
            assert_eq!(proof.verify(&root, namespace).expect("the truth"), table.leaf(namespace));
        }
    }
});
