
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let thread = thread_of(id, groups);
    if thread >= params.rows {
        return;
    }
    // Rows are in bit-reversed order.
    let row = params.first + thread;
    let next = reversed((reversed(row, params.log_rows) + params.step) & ((1u << params.log_rows) - 1u), params.log_rows);
