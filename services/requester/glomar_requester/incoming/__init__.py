"""Messages to the agency: releases and notices; and the retention of answers."""
