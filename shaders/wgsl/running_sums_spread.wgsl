// The third dispatch of running_sums.wgsl.

struct Params { log_rows: u32, runs: u32, destination: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read> totals: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let rows = 1u << params.log_rows;
    let row = group.x * WORKGROUP + thread;
    if row >= rows {
        return;
    }
    // Row r gets the sum of rows 0..r, which is the running sum at r - 1.
    var sum = 0u;
    if row > 0u {
        sum = values[group.y * rows + row - 1u];
        let run = (row - 1u) / WORKGROUP;
        if run > 0u {
            sum = f_add(sum, totals[group.y * params.runs + run - 1u]);
        }
    }
    output[params.destination + group.y * rows + reversed(row, params.log_rows)] = sum;
}
