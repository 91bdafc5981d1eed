//! The contract as wasmtime sees it: the one place where the WIT package becomes code.

wasmtime::component::bindgen!({
    path: "../connectors/sdk/wit",
    world: "connector",
    imports: {
        "millstream:connect/clock.sleep-ms": async,
        default: trappable,
    },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: true },
});
