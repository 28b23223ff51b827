/* Floating point in double and single precision: a planet on its orbit (additions, products, a division and a
 * square root a step), a linear system (fused multiply-adds), a series in single precision, conversions and
 * comparisons. */
#include "workload.h"

enum { kSteps = 6000, kSize = 24, kTerms = 20000, kConversions = 20000 };

static double squared(double x) {
  return x * x;
}
static int near(double a, double b, double tolerance) {
  const double difference = a - b;
  return difference < tolerance && difference > -tolerance;
}

/* A circle of radius 1 in the field of a mass of 1, by leapfrog: the energy stays -1/2. */
static int orbit_is_right(void) {
  const double dt = 1e-3;
  double x = 1, y = 0, vx = 0, vy = 1;
  for (int i = 0; i < kSteps; ++i) {
    x += vx * (dt / 2);
    y += vy * (dt / 2);
    const double square = x * x + y * y;
    const double pull = dt / (square * __builtin_sqrt(square));
    vx -= x * pull;
    vy -= y * pull;
    x += vx * (dt / 2);
    y += vy * (dt / 2);
  }
  const double energy = (vx * vx + vy * vy) / 2 - 1 / __builtin_sqrt(x * x + y * y);
  return near(energy, -0.5, 1e-6);
}

static double matrix[kSize][kSize + 1];

/* Gaussian elimination with pivots, of a system whose solution is 1, 2, 3 ... */
static int solution_is_right(uint32_t seed) {
  for (int i = 0; i < kSize; ++i) {
    matrix[i][kSize] = 0;
    for (int k = 0; k < kSize; ++k) {
      seed = seed * 1664525u + 1013904223u;
      matrix[i][k] = (double)(int32_t)seed * 0x1p-31 + (i == k ? 4 : 0);
      matrix[i][kSize] += matrix[i][k] * (k + 1);
    }
  }
  for (int i = 0; i < kSize; ++i) {
    int pivot = i;
    for (int k = i + 1; k < kSize; ++k) {
      if (__builtin_fabs(matrix[k][i]) > __builtin_fabs(matrix[pivot][i])) pivot = k;
    }
    for (int m = i; m <= kSize; ++m) {
      const double swapped = matrix[i][m];
      matrix[i][m] = matrix[pivot][m];
      matrix[pivot][m] = swapped;
    }
    const double inverse = 1 / matrix[i][i];
    for (int k = 0; k < kSize; ++k) {
      if (k == i) continue;
      const double factor = matrix[k][i] * inverse;
      for (int m = i; m <= kSize; ++m) matrix[k][m] -= factor * matrix[i][m];
    }
  }
  double error = 0;
  for (int i = 0; i < kSize; ++i) error += squared(matrix[i][kSize] / matrix[i][i] - (i + 1));
  return error < 1e-16;
}

/* 1 - 1/3 + 1/5 - ..., from its small end, is pi / 4. */
static int series_is_right(void) {
  float sum = 0;
  for (int i = kTerms - 1; i >= 0; --i) {
    const float term = 1 / (float)(2 * i + 1);
    sum += i & 1 ? -term : term;
  }
  return near((double)sum, 0.785398163, 3e-5);
}

/* To integers and back: halves are dropped, so what is lost is known. */
static int conversions_are_right(void) {
  double lost = 0;
  int64_t sum = 0;
  for (int i = 0; i < kConversions; ++i) {
    const double value = i * 0.5;
    const int64_t whole = (int64_t)value;
    sum += whole;
    lost += value - (double)whole;
  }
  return lost == kConversions / 4.0 && sum == (int64_t)(kConversions / 2) * (kConversions / 2 - 1);
}

int workload(uint32_t rounds) {
  for (uint32_t round = 0; round < rounds; ++round) {
    if (!orbit_is_right()) return 1;
    for (uint32_t i = 0; i < 8; ++i) {
      if (!solution_is_right(round * 8 + i)) return 2;
    }
    if (!series_is_right()) return 3;
    if (!conversions_are_right()) return 4;
  }
  return 0;
}
