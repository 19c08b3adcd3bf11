
fn weight(i: u32) -> Ext {
    let k = 5u * i;
    return Ext(weights[k], weights[k + 1u], weights[k + 2u], weights[k + 3u], weights[k + 4u]);
}
