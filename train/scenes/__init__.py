"""Indoor scene understanding: segmentation, depth and surface normals, the second data set of the paper (Table II)."""
