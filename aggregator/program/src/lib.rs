//! What a rollup proves, as data: fields, parameters, AIRs, program and proof files, and their native verification.
