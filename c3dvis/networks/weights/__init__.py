"""Network weights: file formats, layouts, provenance, and how weights come to this machine. Data only, never code.

Each module imports only those before it: published_files, formats, layout, layout_evidence, layer_matching,
weights_file, provenance, conversion, sandbox, work_folder, installed_weights, fetch, class_labels, obtain.
"""
