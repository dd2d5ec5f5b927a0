"""Labels that are probably wrong: found by predictions of faces that the predictor has not seen."""
