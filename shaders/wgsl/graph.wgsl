// What a kernel that is written from a graph starts with; its bindings come before this.

struct Params {
    // Rows of this part, and the first of them.
    rows: u32,
    first: u32,
    // log2 of all rows, and how far the next row is in natural order.
    log_rows: u32,
    step: u32,
    // Whether nothing has been summed yet.
    fresh: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

fn e_add_base(a: Ext, b: u32) -> Ext {
    return Ext(f_add(a.c0, b), a.c1, a.c2, a.c3, a.c4);
}

fn e_sub_base(a: Ext, b: u32) -> Ext {
    return Ext(f_sub(a.c0, b), a.c1, a.c2, a.c3, a.c4);
}
