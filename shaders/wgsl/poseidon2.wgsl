// Poseidon2 of width 16 over KoalaBear: 4 + 4 external rounds, 20 internal, x^3. Reference: `default_koalabear_poseidon2_16` of
// p3-koala-bear; the paper is ePrint 2023/323. One state a thread, in registers; round constants in a buffer, because a constant
// array that is indexed dynamically is copied to the stack at each use.

// Vectors 0..16 are the constants of the first four external rounds, 16..32 of the last four, 32..37 of the internal rounds.
@group(0) @binding(1) var<storage, read> round_constants: array<vec4<u32>>;

struct State { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32> }

fn add4(x: vec4<u32>, y: vec4<u32>) -> vec4<u32> {
    let sum = x + y;
    return min(sum, sum - vec4<u32>(P));
}

fn cube(x: u32) -> u32 {
    return f_mul(f_mul(x, x), x);
}

fn cube4(x: vec4<u32>) -> vec4<u32> {
    return vec4<u32>(cube(x.x), cube(x.y), cube(x.z), cube(x.w));
}

// The circulant matrix of 2, 3, 1, 1.
fn mix4(x: vec4<u32>) -> vec4<u32> {
    let t01 = f_add(x.x, x.y);
    let t23 = f_add(x.z, x.w);
    let all = f_add(t01, t23);
    let t01123 = f_add(all, x.y);
    let t01233 = f_add(all, x.w);
    return vec4<u32>(f_add(t01123, t01), f_add(t01123, f_double(x.z)), f_add(t01233, t23), f_add(t01233, f_double(x.x)));
}

fn external_matrix(s: State) -> State {
    let a = mix4(s.a);
    let b = mix4(s.b);
    let c = mix4(s.c);
    let d = mix4(s.d);
    let sums = add4(add4(a, b), add4(c, d));
    return State(add4(a, sums), add4(b, sums), add4(c, sums), add4(d, sums));
}

fn external_round(s: State, first: u32) -> State {
    return external_matrix(State(
        cube4(add4(s.a, round_constants[first])),
        cube4(add4(s.b, round_constants[first + 1u])),
        cube4(add4(s.c, round_constants[first + 2u])),
        cube4(add4(s.d, round_constants[first + 3u]))));
}

// The matrix 1 + diag(-2, 1, 2, 1/2, 3, 4, -1/2, -3, -4, 2^-8, 2^-3, 2^-24, -2^-8, -2^-3, -2^-4, -2^-24).
fn internal_round(s: State, constant: u32) -> State {
    let x = cube(f_add(s.a.x, constant));
    let rest = add4(add4(vec4<u32>(0u, s.a.yzw), s.b), add4(s.c, s.d));
    let others = f_add(f_add(rest.x, rest.y), f_add(rest.z, rest.w));
    let sum = f_add(others, x);
    return State(
        vec4<u32>(f_sub(others, x), f_add(sum, s.a.y), f_add(sum, f_double(s.a.z)), f_add(sum, f_halve(s.a.w))),
        vec4<u32>(
            f_add(sum, f_add(f_double(s.b.x), s.b.x)),
            f_add(sum, f_double(f_double(s.b.y))),
            f_sub(sum, f_halve(s.b.z)),
            f_sub(sum, f_add(f_double(s.b.w), s.b.w))),
        vec4<u32>(
            f_sub(sum, f_double(f_double(s.c.x))),
            f_add(sum, f_shift(s.c.y, 8u)),
            f_add(sum, f_shift(s.c.z, 3u)),
            f_add(sum, f_shift(s.c.w, 24u))),
        vec4<u32>(
            f_sub(sum, f_shift(s.d.x, 8u)),
            f_sub(sum, f_shift(s.d.y, 3u)),
            f_sub(sum, f_shift(s.d.z, 4u)),
            f_sub(sum, f_shift(s.d.w, 24u))));
}

fn permute(input: State) -> State {
    var s = external_matrix(input);
    for (var round = 0u; round < 4u; round++) {
        s = external_round(s, 4u * round);
    }
    for (var round = 0u; round < 20u; round++) {
        s = internal_round(s, round_constants[32u + (round >> 2u)][round & 3u]);
    }
    for (var round = 4u; round < 8u; round++) {
        s = external_round(s, 4u * round);
    }
    return s;
}
