"""The files of ``dagster_tests`` whose tests go through an IO manager."""

from __future__ import annotations

SHORT = [
    "storage_tests/test_io_manager.py",
    "storage_tests/test_upath_io_manager.py",
    "storage_tests/test_fs_io_manager.py",
    "storage_tests/test_input_manager.py",
    "storage_tests/test_migrate_io_storage.py",
    "storage_tests/test_asset_value_loader.py",
    "asset_defs_tests/test_partitioned_assets.py",
    "asset_defs_tests/test_materialize.py",
    "asset_defs_tests/test_materialize_to_memory.py",
    "asset_defs_tests/test_assets.py",
    "asset_defs_tests/partition_mapping_tests/test_asset_partition_mappings.py",
    "definitions_tests/test_multi_partitions.py",
    "definitions_tests/test_dynamic_partitions.py",
    "execution_tests/dynamic_tests/test_reexecute.py",
    "execution_tests/execution_plan_tests/test_execution_plan_reexecution.py",
]
"""What CI runs: the files that say most about an IO manager, in under three minutes on two cores."""

ALL = [
    *SHORT,
    "storage_tests/test_asset_events.py",
    "storage_tests/test_assets.py",
    "storage_tests/test_io_manager_asset_metadata.py",
    "storage_tests/test_io_manager_composites.py",
    "storage_tests/test_io_managers_with_graphs.py",
    "storage_tests/test_io_managers_pythonic_config.py",
    "storage_tests/test_io_manager_multiprocess.py",
    "storage_tests/test_no_io_manager.py",
    "storage_tests/branching_io_manager_tests",
    "asset_defs_tests/test_asset_job.py",
    "asset_defs_tests/test_unresolved_asset_job.py",
    "asset_defs_tests/test_asset_deps.py",
]
