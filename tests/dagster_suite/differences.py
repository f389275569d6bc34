"""Which of Dagster's tests may differ with `DocDirIOManager`, and why.

A key is a test of ``dagster_tests``: with its parameters for one case, without them for all. A test of `DIFFERENCES`
that passes is an error, and so is a key that names no test.
"""

from __future__ import annotations

_PATH = "It looks for a pickle where asset key, partition or run say; a document's folder follows from its identity."
_HOOK = "It asserts the path that a subclass is handed; here it is a temporary file, whose bytes become the document."
_BASE = "It is about attributes of UPathIOManager itself, which the adapter does not have."
_METADATA = "It expects no metadata, or a path alone; doc_io adds doc_id, status, preview and more."
_UNSTORED = "Its IO manager stores nothing, and it loads partitions that were never made; doc_io says which is missing."
_VALUES = "It looks into InMemoryIOManager.values; documents are on disk."

_FS = "storage_tests/test_fs_io_manager.py"
_UPATH = "storage_tests/test_upath_io_manager.py"
_REEXECUTION = "execution_tests/execution_plan_tests/test_execution_plan_reexecution.py"
_PYTHONIC = "storage_tests/test_io_managers_pythonic_config.py"
_PARTITIONED = "asset_defs_tests/test_partitioned_assets.py"

DIFFERENCES: dict[str, str] = {
    f"{_FS}::test_fs_io_manager": _PATH,
    f"{_FS}::test_fs_io_manager_base_dir": _PATH,
    f"{_FS}::test_fs_io_manager_unpicklable": "It expects the pickling IO manager's own message; the adapter lets pickle's pass.",
    f"{_FS}::test_fs_io_manager_handles_assets": _PATH,
    f"{_FS}::test_fs_io_manager_partitioned": _PATH,
    f"{_FS}::test_fs_io_manager_partitioned_graph_backed_asset": _PATH,
    f"{_FS}::test_fs_io_manager_escapes_path_operators_in_partition_keys": _PATH,
    f"{_FS}::test_fs_io_manager_none_value_no_metadata": _PATH,
    f"{_FS}::test_backcompat_multipartitions_fs_io_manager": "It reads pickles of an older version of Dagster; the error names the partition, not its path.",
    f"{_PYTHONIC}::test_pythonic_fs_io_manager": _PATH,
    f"{_PYTHONIC}::test_pythonic_fs_io_manager_runtime_config": _PATH,
    f"{_PYTHONIC}::test_io_manager_def": _PATH,
    f"{_REEXECUTION}::test_execution_plan_reexecution": _PATH,
    f"{_REEXECUTION}::test_job_step_key_subset_execution": _PATH,
    f"{_UPATH}::test_upath_io_manager_with_json": _BASE,
    f"{_UPATH}::test_upath_io_manager_with_non_any_type_annotation": _BASE,
    f"{_UPATH}::test_upath_io_manager_storage_options": _BASE,
    f"{_UPATH}::test_upath_io_manager_storage_options_before_0_2": _BASE,
    f"{_UPATH}::test_upath_io_manager_multiple_time_partitions": _UNSTORED,
    f"{_UPATH}::test_upath_io_manager_multiple_static_partitions": _UNSTORED,
    f"{_UPATH}::test_upath_io_manager_load_multiple_inputs": _UNSTORED,
    f"{_UPATH}::test_skip_type_check_for_multiple_partitions_with_no_type_annotation": _UNSTORED,
    f"{_UPATH}::test_skip_type_check_for_multiple_partitions_with_any_type": _UNSTORED,
    f"{_UPATH}::test_upath_io_manager_static_partitions_with_dot": _HOOK,
    f"{_UPATH}::test_upath_io_manager_with_extension_static_partitions_with_dot": _HOOK,
    f"{_UPATH}::test_upath_io_manager_absolute_partition_key_lands_under_base": _HOOK,
    f"{_UPATH}::test_upath_io_manager_base_class_passes_dot_segments_through": _HOOK,
    f"{_UPATH}::test_partitioned_io_manager_preserves_single_partition_dependency": _HOOK,
    f"{_UPATH}::test_upath_io_manager_async_fail_on_missing_partitions": "It expects a RuntimeError; doc_io raises DocumentNotFoundError, also a FileNotFoundError.",
    f"{_PARTITIONED}::test_two_partitioned_multi_assets_job": _METADATA,
    f"{_PARTITIONED}::test_two_partitioned_assets_job": _METADATA,
    "asset_defs_tests/test_materialize.py::test_basic_materialize": _METADATA,
    "asset_defs_tests/test_materialize.py::test_conditional_materialize": _METADATA,
    "asset_defs_tests/test_materialize.py::test_materialize_provided_resources": _METADATA,
    "asset_defs_tests/test_materialize_to_memory.py::test_basic_materialize_to_memory": _METADATA,
    "asset_defs_tests/partition_mapping_tests/test_asset_partition_mappings.py::test_time_window_partition_mapping_with_exclusions": _METADATA,
    "asset_defs_tests/test_assets.py::test_multiple_assets_io_manager_defs": _VALUES,
    "asset_defs_tests/test_assets.py::test_asset_with_io_manager_key_only": _VALUES,
}
"""Test to the reason why it fails."""
