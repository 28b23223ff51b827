/* A program that a RISC-V machine's speed is measured with: a number of equal rounds, about a million
 * instructions each. It prints nothing. start.S calls it and ends the run with what it returns. */
#pragma once

#include <stdint.h>

/* Does the work. 0 if every result was right, otherwise a status between 1 and 127 that says which was not.
 */
int workload(uint32_t rounds);
