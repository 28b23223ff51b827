#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

const char* device_path = "/dev/rdu0";

void fail(const char* file, int line, const char* what) {
  fprintf(stderr, "%s:%d: not so: %s (errno %s)\n", file, line, what, strerrorname_np(errno));
  exit(1);
}

void fail_error(const char* file, int line, const char* call, int got, int expected) {
  fprintf(stderr, "%s:%d: %s gave %s, not %s\n", file, line, call, strerrorname_np(got),
          strerrorname_np(expected));
  exit(1);
}

int call(int file, unsigned long request, void* argument) {
  return ioctl(file, request, argument) == 0 ? 0 : errno;
}

int make_context(int file, uint64_t hbm_bytes, uint64_t ddr_bytes, uint32_t* context) {
  struct rdu_ioc_context args = {.hbm_bytes = hbm_bytes, .ddr_bytes = ddr_bytes};
  const int error = call(file, RDU_IOC_CONTEXT, &args);
  if (error == 0 && context != NULL) *context = args.context;
  return error;
}

int make_memory(int file, uint32_t type, uint64_t bytes, void* user, struct rdu_ioc_memory* memory) {
  *memory = (struct rdu_ioc_memory){.type = type, .bytes = bytes, .user = (uintptr_t)user};
  return call(file, RDU_IOC_MEMORY, memory);
}

int free_memory(int file, uint32_t handle) {
  struct rdu_ioc_handle args = {.handle = handle};
  return call(file, RDU_IOC_MEMORY_FREE, &args);
}

int make_queue(int file, uint32_t entries, int eventfd, uint32_t* handle) {
  struct rdu_ioc_queue args = {.entries = entries, .eventfd = eventfd};
  const int error = call(file, RDU_IOC_QUEUE, &args);
  if (error == 0) *handle = args.handle;
  return error;
}

int free_queue(int file, uint32_t handle) {
  struct rdu_ioc_handle args = {.handle = handle};
  return call(file, RDU_IOC_QUEUE_FREE, &args);
}

int submit(int file, uint32_t queue, const struct rdu_sqe* commands, uint32_t* count, uint64_t timeout_ns,
           uint64_t* first) {
  struct rdu_ioc_submit args = {
      .handle = queue, .count = *count, .commands = (uintptr_t)commands, .timeout_ns = timeout_ns};
  const int error = call(file, RDU_IOC_SUBMIT, &args);
  if (error == 0) *count = args.count;
  if (error == 0 && first != NULL) *first = args.first_number;
  return error;
}

int take(int file, uint32_t queue, struct rdu_completion* to, uint32_t* count, uint64_t timeout_ns) {
  struct rdu_ioc_completions args = {
      .handle = queue, .count = *count, .completions = (uintptr_t)to, .timeout_ns = timeout_ns};
  const int error = call(file, RDU_IOC_COMPLETIONS, &args);
  if (error == 0) *count = args.count;
  return error;
}

int open_device(void) {
  const int file = open(device_path, O_RDWR | O_CLOEXEC);
  CHECK(file >= 0);
  return file;
}

struct rdu_sqe nop(void) {
  return (struct rdu_sqe){.opcode = RDU_CMD_NOP};
}

struct rdu_sqe copy(uint64_t to, uint64_t from, uint64_t bytes) {
  return (struct rdu_sqe){.opcode = RDU_CMD_COPY, .arg = {to, from, bytes}};
}

uint16_t execute(int file, uint32_t queue, struct rdu_sqe command) {
  struct rdu_completion completion;
  uint32_t count = 1;
  EXPECT(submit(file, queue, &command, &count, 60 * SECOND, NULL), 0);
  count = 1;
  EXPECT(take(file, queue, &completion, &count, 60 * SECOND), 0);
  return completion.status;
}

void wait_for_event(int file, uint32_t queue) {
  const struct rdu_sqe event = {.opcode = RDU_CMD_EVENT};
  struct rdu_completion completion;
  uint32_t count;
  int error;
  do { /* those that were kept come first */
    count = 1;
    EXPECT(submit(file, queue, &event, &count, 60 * SECOND, NULL), 0);
    count = 1;
    error = take(file, queue, &completion, &count, SECOND / 2);
  } while (error == 0);
  EXPECT(error, ETIMEDOUT);
}

uint8_t* host_pages(uint64_t bytes) {
  void* const pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED);
  return pages;
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    int (*run)(int argc, char** argv);
    const char* help;
  } parts[] = {
      {"calls", calls, "                     each call: success and every error"},
      {"isolation", isolation, "                 two contexts: neither reaches what is the other's"},
      {"fuzz", fuzz, "SEED COUNT PROCESSES  random calls"},
      {"cycles", cycles, "COUNT               open, context, memory, queue, command, close"},
      {"hold", hold,
       "                      waits in every way until the device is lost, and says how each ended"},
      {"busy", busy, "                      works until it is killed"},
      {"inject", inject, "panic|hang          has the firmware fail"},
      {"launch", launch, "FILE                loads a program and launches it"},
  };
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (size_t i = 0; argc > 1 && i < sizeof parts / sizeof parts[0]; ++i)
    if (strcmp(argv[1], parts[i].name) == 0) return parts[i].run(argc - 1, argv + 1);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; ++i)
    fprintf(stderr, "linux_client %s %s\n", parts[i].name, parts[i].help);
  return 2;
}
