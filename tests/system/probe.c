/* Mistakes that an application can make with librdu, one a run, in plain C.
 *
 *   probe ADDRESS MISTAKE PROGRAM
 *
 * Prints the result of the call that was wrong: "RDU_ERROR_NOT_LOADED: text". Then shows that the device
 * still works, and ends with 0 if it does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdu.h"

enum { kTimeout = 60000 };

static rdu_device* device;
static rdu_context* context;
static rdu_queue* queue;

static void must(rdu_result result, const char* what) {
  if (result == RDU_OK) return;
  fprintf(stderr, "probe: %s: %s: %s\n", what, rdu_result_name(result), rdu_last_error());
  exit(1);
}

static void show(rdu_result result) {
  printf("%s: %s\n", rdu_result_name(result), result == RDU_OK ? "" : rdu_last_error());
}

static rdu_memory* allocated[8];
static size_t allocations;

static rdu_memory* allocate(rdu_tier tier, uint64_t bytes) {
  must(rdu_mem_alloc(context, tier, bytes, &allocated[allocations]), "rdu_mem_alloc");
  return allocated[allocations++];
}

static rdu_program* program;

/* False, and shows why, when the container is refused. */
static int create(const char* path) {
  FILE* file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(1);
  }
  static char container[1 << 20];
  const size_t bytes = fread(container, 1, sizeof container, file);
  fclose(file);
  const rdu_result result = rdu_program_create(queue, container, bytes, kTimeout, &program);
  if (result == RDU_OK) return 1;
  show(result);
  return 0;
}

/* Every argument is the address `value`, in no memory of ours. */
static rdu_result launch_at(uint64_t value) {
  rdu_program_info info;
  must(rdu_program_get_info(program, &info), "rdu_program_get_info");
  rdu_argument arguments[16];
  memset(arguments, 0, sizeof arguments);
  for (size_t i = 0; i < info.arguments && i < 16; ++i) {
    rdu_argument_info argument;
    must(rdu_program_get_argument(program, i, &argument), "rdu_program_get_argument");
    arguments[i].name = argument.name;
    arguments[i].value = value;
  }
  return rdu_launch(queue, program, arguments, info.arguments, kTimeout);
}

static void make_mistake(const char* mistake, const char* path) {
  const uint64_t hbm = (uint64_t)1 << 44;
  if (strcmp(mistake, "copy-out-of-range") == 0) {
    show(
        rdu_copy(queue, allocate(RDU_TIER_HBM, 4096), 4000, allocate(RDU_TIER_HOST, 4096), 0, 200, kTimeout));
    return;
  }
  if (strcmp(mistake, "no-memory") == 0) {
    rdu_memory* memory = NULL;
    show(rdu_mem_alloc(context, RDU_TIER_HBM, (uint64_t)1 << 40, &memory));
    return;
  }
  if (!create(path)) return;
  if (strcmp(mistake, "launch-without-load") == 0) {
    show(launch_at(hbm));
    return;
  }
  must(rdu_program_load(queue, program, kTimeout), "rdu_program_load");
  if (strcmp(mistake, "load") == 0) {
    show(RDU_OK);
  } else if (strcmp(mistake, "null-address") == 0) {
    show(launch_at(0));
  } else if (strcmp(mistake, "address-out-of-range") == 0) {
    show(launch_at(hbm + ((uint64_t)1 << 40)));
  } else if (strcmp(mistake, "missing-argument") == 0) {
    show(rdu_launch(queue, program, NULL, 0, kTimeout));
  } else {
    fprintf(stderr, "probe: unknown mistake '%s'\n", mistake);
    exit(2);
  }
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: probe ADDRESS MISTAKE PROGRAM\n");
    return 2;
  }
  must(rdu_open(argv[1], kTimeout, &device), "rdu_open");
  must(rdu_context_create(device, 8u << 20, 1u << 20, &context), "rdu_context_create");
  must(rdu_queue_create(context, 0, &queue), "rdu_queue_create");
  make_mistake(argv[2], argv[3]);

  rdu_memory* host = allocate(RDU_TIER_HOST, 8192);
  rdu_memory* hbm = allocate(RDU_TIER_HBM, 4096);
  char* bytes = rdu_mem_pointer(host);
  memset(bytes, 0x5a, 4096);
  must(rdu_copy(queue, hbm, 0, host, 0, 4096, kTimeout), "rdu_copy after the mistake");
  must(rdu_copy(queue, host, 4096, hbm, 0, 4096, kTimeout), "rdu_copy after the mistake");
  if (memcmp(bytes, bytes + 4096, 4096) != 0) {
    fprintf(stderr, "probe: the device does not copy any more\n");
    return 1;
  }
  while (allocations > 0) must(rdu_mem_free(allocated[--allocations]), "rdu_mem_free");
  must(rdu_program_destroy(program), "rdu_program_destroy");
  must(rdu_queue_destroy(queue), "rdu_queue_destroy");
  must(rdu_context_destroy(context), "rdu_context_destroy");
  must(rdu_close(device), "rdu_close");
  return 0;
}
