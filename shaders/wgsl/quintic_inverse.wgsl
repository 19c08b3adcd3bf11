// Inversion in the challenge field by Itoh and Tsujii (1988): the norm a^(1 + p + p^2 + p^3 + p^4) lies in the base field.
// `e_frobenius(a)` = a^p and `e_frobenius_2(a)` = a^(p^2) are linear; their matrices are written out by kernel.rs.

// 1 / a, and 0 for 0.
fn e_inverse(a: Ext) -> Ext {
    let once = e_frobenius(a);
    let twice = e_mul(once, e_frobenius(once));
    let conjugates = e_mul(twice, e_frobenius_2(twice));
    // Coordinate 0 of a * conjugates; the others vanish.
    let d5 = f_add(
        f_add(f_mul(a.c1, conjugates.c4), f_mul(a.c2, conjugates.c3)),
        f_add(f_mul(a.c3, conjugates.c2), f_mul(a.c4, conjugates.c1)));
    let norm = f_sub(f_add(f_mul(a.c0, conjugates.c0), d5), f_mul(a.c4, conjugates.c4));
    return e_scale(conjugates, f_inverse(norm));
}
