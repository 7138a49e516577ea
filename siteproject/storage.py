"""Static files under names that carry their digest, module imports included."""

from servestatic.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):
    """Rewrite ``import … from "./x.js"`` to the hashed name, so that modules can be cached for ever."""

    support_js_module_import_aggregation = True
