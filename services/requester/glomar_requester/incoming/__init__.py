"""What reaches the agency: releases, notices, and the end of an answer's retention."""
