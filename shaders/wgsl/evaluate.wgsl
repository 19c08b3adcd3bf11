// The values of polynomials at a point: of each column of coefficients, its inner product with the powers of the point. One
// workgroup a column. Reference: the opened values of `TwoAdicFriPcs::open` (p3-fri), which interpolates instead.

struct Params { rows: u32, source: u32, source_stride: u32, powers: u32, output: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> coefficients: array<u32>;
// `powers` elements, of which the first `rows` are used.
@group(0) @binding(2) var<storage, read> powers: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<u32>;

var<workgroup> sums: array<Ext, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let column = params.source + group.x * params.source_stride;
    var sum = e_zero();
    for (var row = thread; row < params.rows; row += WORKGROUP) {
        let n = params.powers;
        let power = Ext(powers[row], powers[n + row], powers[2u * n + row], powers[3u * n + row], powers[4u * n + row]);
        sum = e_add(sum, e_scale(power, coefficients[column + row]));
    }
    sums[thread] = sum;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if thread < half {
            sums[thread] = e_add(sums[thread], sums[thread + half]);
        }
        workgroupBarrier();
    }
    if thread == 0u {
        let place = params.output + 5u * group.x;
        output[place] = sums[0].c0;
        output[place + 1u] = sums[0].c1;
        output[place + 2u] = sums[0].c2;
        output[place + 3u] = sums[0].c3;
        output[place + 4u] = sums[0].c4;
    }
}
