// Running sums of planes of base elements, in three dispatches: `blocks` sums runs of 256 and notes each run's total, `carry` sums
// the totals, and running_sums_spread.wgsl adds to each run what came before it and writes, to each row's bit-reversed place, the
// sum of all rows before it. Reference: the accumulator of `LogUpGadget::generate_permutation` of p3-lookup.

struct Params { log_rows: u32, runs: u32, destination: u32 }

@group(0) @binding(0) var<uniform> params: Params;
// Five planes of rows; workgroup y takes plane y.
@group(0) @binding(1) var<storage, read_write> values: array<u32>;
// Five planes of `runs` totals.
@group(0) @binding(2) var<storage, read_write> totals: array<u32>;

var<workgroup> shared_sums: array<u32, 256>;

// Every thread's value becomes the sum of those up to its own.
fn scan(thread: u32) {
    for (var distance = 1u; distance < WORKGROUP; distance *= 2u) {
        workgroupBarrier();
        var before = 0u;
        if thread >= distance {
            before = shared_sums[thread - distance];
        }
        workgroupBarrier();
        shared_sums[thread] = f_add(shared_sums[thread], before);
    }
    workgroupBarrier();
}

@compute @workgroup_size(256)
fn blocks(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let rows = 1u << params.log_rows;
    let row = group.x * WORKGROUP + thread;
    let plane = group.y * rows;
    shared_sums[thread] = 0u;
    if row < rows {
        shared_sums[thread] = values[plane + row];
    }
    scan(thread);
    if row < rows {
        values[plane + row] = shared_sums[thread];
    }
    if thread == WORKGROUP - 1u {
        totals[group.y * params.runs + group.x] = shared_sums[thread];
    }
}

@compute @workgroup_size(256)
fn carry(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let plane = group.y * params.runs;
    var before = 0u;
    for (var first = 0u; first < params.runs; first += WORKGROUP) {
        let run = first + thread;
        shared_sums[thread] = 0u;
        if run < params.runs {
            shared_sums[thread] = totals[plane + run];
        }
        scan(thread);
        if run < params.runs {
            totals[plane + run] = f_add(before, shared_sums[thread]);
        }
        before = f_add(before, shared_sums[WORKGROUP - 1u]);
        workgroupBarrier();
    }
}
