// The challenge field: F[X] / (X^5 + X^2 - 1). Reference: p3-field's `QuinticTrinomialExtensionField`.
// In memory an array of n elements is five planes of n words: coordinate c of element i is word c * n + i.

struct Ext { c0: u32, c1: u32, c2: u32, c3: u32, c4: u32 }

fn e_zero() -> Ext {
    return Ext(0u, 0u, 0u, 0u, 0u);
}

fn e_one() -> Ext {
    return Ext(ONE, 0u, 0u, 0u, 0u);
}

fn e_add(a: Ext, b: Ext) -> Ext {
    return Ext(f_add(a.c0, b.c0), f_add(a.c1, b.c1), f_add(a.c2, b.c2), f_add(a.c3, b.c3), f_add(a.c4, b.c4));
}

fn e_sub(a: Ext, b: Ext) -> Ext {
    return Ext(f_sub(a.c0, b.c0), f_sub(a.c1, b.c1), f_sub(a.c2, b.c2), f_sub(a.c3, b.c3), f_sub(a.c4, b.c4));
}

fn e_neg(a: Ext) -> Ext {
    return e_sub(e_zero(), a);
}

fn e_halve(a: Ext) -> Ext {
    return Ext(f_halve(a.c0), f_halve(a.c1), f_halve(a.c2), f_halve(a.c3), f_halve(a.c4));
}

// An extension element times a base element.
fn e_scale(a: Ext, b: u32) -> Ext {
    return Ext(f_mul(a.c0, b), f_mul(a.c1, b), f_mul(a.c2, b), f_mul(a.c3, b), f_mul(a.c4, b));
}

// X^5 = 1 - X^2, X^6 = X - X^3, X^7 = X^2 - X^4, X^8 = X^3 + X^2 - 1.
fn e_mul(a: Ext, b: Ext) -> Ext {
    let d0 = f_mul(a.c0, b.c0);
    let d1 = f_add(f_mul(a.c0, b.c1), f_mul(a.c1, b.c0));
    let d2 = f_add(f_add(f_mul(a.c0, b.c2), f_mul(a.c1, b.c1)), f_mul(a.c2, b.c0));
    let d3 = f_add(f_add(f_mul(a.c0, b.c3), f_mul(a.c1, b.c2)), f_add(f_mul(a.c2, b.c1), f_mul(a.c3, b.c0)));
    let d4 = f_add(
        f_add(f_add(f_mul(a.c0, b.c4), f_mul(a.c1, b.c3)), f_add(f_mul(a.c2, b.c2), f_mul(a.c3, b.c1))),
        f_mul(a.c4, b.c0));
    let d5 = f_add(f_add(f_mul(a.c1, b.c4), f_mul(a.c2, b.c3)), f_add(f_mul(a.c3, b.c2), f_mul(a.c4, b.c1)));
    let d6 = f_add(f_add(f_mul(a.c2, b.c4), f_mul(a.c3, b.c3)), f_mul(a.c4, b.c2));
    let d7 = f_add(f_mul(a.c3, b.c4), f_mul(a.c4, b.c3));
    let d8 = f_mul(a.c4, b.c4);
    return Ext(
        f_sub(f_add(d0, d5), d8),
        f_add(d1, d6),
        f_add(f_sub(d2, d5), f_add(d7, d8)),
        f_add(f_sub(d3, d6), d8),
        f_sub(d4, d7));
}
