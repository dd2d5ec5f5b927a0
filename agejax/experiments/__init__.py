"""Many runs: compared, swept, reproduced, combined."""
