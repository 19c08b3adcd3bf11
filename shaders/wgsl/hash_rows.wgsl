// Hashes every row of a matrix: Poseidon2 as an overwrite sponge of rate 8, without padding. Reference: `PaddingFreeSponge` of
// p3-symmetric. Element q of row r is input[offset + (q % inner) * inner_stride + (q / inner) * outer_stride + r * row_stride],
// which covers columns of a matrix and rows of extension elements alike. A row in several slabs is absorbed slab by slab: all
// but the last hold a multiple of 8 elements, and the state waits in `states`, 16 planes of one word a row.

struct Params {
    rows: u32,
    elements: u32,
    offset: u32,
    inner: u32,
    inner_stride: u32,
    outer_stride: u32,
    row_stride: u32,
    // Bit 0: these are the first elements of the rows. Bit 1: the last.
    position: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> input: array<u32>;
@group(0) @binding(3) var<storage, read_write> states: array<u32>;
@group(0) @binding(4) var<storage, read_write> digests: array<vec4<u32>>;

fn element(row: u32, q: u32) -> u32 {
    let place = (q % params.inner) * params.inner_stride + (q / params.inner) * params.outer_stride;
    return input[params.offset + place + row * params.row_stride];
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = thread_of(id, groups);
    if row >= params.rows {
        return;
    }
    var s = State(vec4<u32>(0u), vec4<u32>(0u), vec4<u32>(0u), vec4<u32>(0u));
    if (params.position & 1u) == 0u {
        for (var i = 0u; i < 4u; i++) {
            s.a[i] = states[i * params.rows + row];
            s.b[i] = states[(4u + i) * params.rows + row];
            s.c[i] = states[(8u + i) * params.rows + row];
            s.d[i] = states[(12u + i) * params.rows + row];
        }
    }
    let whole = params.elements & 0xfffffff8u;
    for (var q = 0u; q < whole; q += 8u) {
        s.a = vec4<u32>(element(row, q), element(row, q + 1u), element(row, q + 2u), element(row, q + 3u));
        s.b = vec4<u32>(element(row, q + 4u), element(row, q + 5u), element(row, q + 6u), element(row, q + 7u));
        s = permute(s);
    }
    if whole < params.elements {
        let left = params.elements - whole;
        s.a.x = element(row, whole);
        if left > 1u { s.a.y = element(row, whole + 1u); }
        if left > 2u { s.a.z = element(row, whole + 2u); }
        if left > 3u { s.a.w = element(row, whole + 3u); }
        if left > 4u { s.b.x = element(row, whole + 4u); }
        if left > 5u { s.b.y = element(row, whole + 5u); }
        if left > 6u { s.b.z = element(row, whole + 6u); }
        s = permute(s);
    }
    if (params.position & 2u) == 0u {
        for (var i = 0u; i < 4u; i++) {
            states[i * params.rows + row] = s.a[i];
            states[(4u + i) * params.rows + row] = s.b[i];
            states[(8u + i) * params.rows + row] = s.c[i];
            states[(12u + i) * params.rows + row] = s.d[i];
        }
    } else {
        digests[2u * row] = s.a;
        digests[2u * row + 1u] = s.b;
    }
}
