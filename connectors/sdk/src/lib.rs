//! What a source, a sink and a transform are: records, batches, positions, errors, config.
