"""Network weights: file formats, layouts, provenance, and installation on this machine.

Weights files are read as data; no code in them is run.

Each module imports only those before it: published_files, formats, layout, layout_evidence, layer_matching,
weights_file, proof, provenance, conversion, child_process, sandbox, work_folder, installed_weights, fetch,
class_labels, obtain.
"""
