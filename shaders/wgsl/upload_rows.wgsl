// Takes rows as the host has them (row after row) to columns in bit-reversed order.

struct Params { rows: u32, log_rows: u32, first_row: u32, width: u32, first_column: u32, columns: u32, destination: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = thread_of(id, groups);
    if i >= params.rows * params.columns {
        return;
    }
    let row = i / params.columns;
    let column = i % params.columns;
    let place = reversed(params.first_row + row, params.log_rows);
    output[((params.destination + column) << params.log_rows) + place] = input[row * params.width + params.first_column + column];
}
