/* For the tests of the driver's life: many short ones, one that waits for the end, one that works until it is
 * killed. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

/* open, context, memory, queue, a copy, close: nothing may remain of it. */
int cycles(int argc, char** argv) {
  CHECK(argc == 2);
  const long count = strtol(argv[1], NULL, 0);
  uint8_t* const pages = host_pages(2 * PAGE);
  for (long i = 0; i < count; ++i) {
    const int file = open_device();
    struct rdu_ioc_memory hbm, host;
    uint32_t queue;
    EXPECT(make_context(file, 16 * PAGE, 16 * PAGE, NULL), 0);
    EXPECT(make_memory(file, RDU_MEMORY_HBM, 2 * PAGE, NULL, &hbm), 0);
    EXPECT(make_memory(file, RDU_MEMORY_HOST, 2 * PAGE, pages, &host), 0);
    EXPECT(make_queue(file, 8, -1, &queue), 0);
    CHECK(execute(file, queue, copy(hbm.address, host.address, PAGE)) == RDU_STATUS_OK);
    if (i % 2 != 0) { /* half of them leave that to the driver */
      EXPECT(free_queue(file, queue), 0);
      EXPECT(free_memory(file, host.handle), 0);
    }
    close(file);
  }
  printf("cycles: good\n");
  return 0;
}

/* --- hold --- */

struct holder {
  int file;
  uint32_t queue;
};

static void* hold_completion(void* argument) {
  const struct holder* const h = argument;
  struct rdu_completion completion;
  uint32_t count = 1;
  EXPECT(take(h->file, h->queue, &completion, &count, RDU_WAIT_FOREVER), 0);
  printf("completion: status %#x\n", completion.status);
  count = 1;
  printf("then: %s\n", strerrorname_np(take(h->file, h->queue, &completion, &count, RDU_WAIT_FOREVER)));
  return NULL;
}

static void* hold_room(void* argument) {
  const struct holder* const h = argument;
  const struct rdu_sqe command = {.opcode = RDU_CMD_NOP};
  uint32_t count = 1;
  printf("room: %s\n", strerrorname_np(submit(h->file, h->queue, &command, &count, RDU_WAIT_FOREVER, NULL)));
  return NULL;
}

static sigjmp_buf bus_error;
static void on_bus_error(int number) {
  siglongjmp(bus_error, number);
}

/* A file in use in every way: a thread waits for a completion, one for room, one in poll(), one for the
 * eventfd; device memory is mapped, host memory pinned. */
int hold(int argc, char** argv) {
  (void)argc, (void)argv;
  const int file = open_device();
  const int event = eventfd(0, EFD_CLOEXEC);
  struct rdu_ioc_memory hbm, host;
  uint32_t waits, full, count;
  uint64_t value;
  pthread_t completion, room;
  uint8_t* const pages = host_pages(64 * PAGE);
  EXPECT(make_context(file, 1 << 20, 0, NULL), 0);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, 1 << 20, NULL, &hbm), 0);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, 64 * PAGE, pages, &host), 0);
  EXPECT(make_queue(file, 8, event, &waits), 0);
  EXPECT(make_queue(file, 2, -1, &full), 0);
  volatile uint32_t* const mapped =
      mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)hbm.mmap_offset);
  CHECK(mapped != MAP_FAILED);
  mapped[7] = 7;
  wait_for_event(file, waits);
  wait_for_event(file, full);
  while (poll(&(struct pollfd){.fd = event, .events = POLLIN}, 1, 0) == 1)
    CHECK(read(event, &value, sizeof value) == 8);
  struct holder a = {file, waits}, b = {file, full};
  CHECK(pthread_create(&completion, NULL, hold_completion, &a) == 0);
  CHECK(pthread_create(&room, NULL, hold_room, &b) == 0);
  usleep(200000);
  printf("holding\n");

  CHECK(read(event, &value, sizeof value) == sizeof value);
  printf("eventfd: written\n");
  CHECK(pthread_join(completion, NULL) == 0 && pthread_join(room, NULL) == 0);
  struct pollfd wait = {.fd = file};
  CHECK(poll(&wait, 1, -1) == 1);
  printf("poll:%s%s%s\n", wait.revents & POLLERR ? " ERR" : "", wait.revents & POLLHUP ? " HUP" : "",
         wait.revents & ~(POLLERR | POLLHUP) ? " more" : "");
  signal(SIGBUS, on_bus_error);
  if (sigsetjmp(bus_error, 1) == 0) {
    printf("mapped: %u\n", mapped[7]);
  } else {
    printf("mapped: SIGBUS\n");
  }
  struct rdu_sqe command = nop();
  count = 1;
  printf("submit: %s\n", strerrorname_np(submit(file, waits, &command, &count, 0, NULL)));
  printf("memory: %s\n", strerrorname_np(make_memory(file, RDU_MEMORY_HBM, PAGE, NULL, &hbm)));
  printf("context: %s\n", strerrorname_np(make_context(file, PAGE, 0, NULL)));
  struct rdu_ioc_info info = {0};
  printf("info: %s\n", strerrorname_np(call(file, RDU_IOC_INFO, &info)));
  CHECK(munmap((void*)mapped, 1 << 20) == 0);
  close(file);
  printf("hold: good\n");
  return 0;
}

/* Copies between all kinds of memory for ever, several under way; every completion is looked at. Ends well
 * when the device is lost. */
int busy(int argc, char** argv) {
  (void)argc, (void)argv;
  const uint64_t bytes = 1 << 20;
  const int file = open_device();
  struct rdu_ioc_memory hbm, host;
  struct rdu_completion completions[32];
  struct rdu_sqe commands[32];
  uint32_t queue, count;
  uint64_t done = 0;
  int error;
  uint8_t* const pages = host_pages(2 * bytes);
  EXPECT(make_context(file, bytes, bytes, NULL), 0);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, bytes, NULL, &hbm), 0);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, 2 * bytes, pages, &host), 0);
  EXPECT(make_queue(file, 64, -1, &queue), 0);
  for (int i = 0; i < 32; i += 2) {
    commands[i] = copy(hbm.address, host.address, bytes);
    commands[i + 1] = copy(host.address + bytes, hbm.address, bytes);
  }
  for (;;) {
    count = 32;
    error = submit(file, queue, commands, &count, 60 * SECOND, NULL);
    if (error != 0) break;
    count = 32;
    error = take(file, queue, completions, &count, 60 * SECOND);
    if (error != 0) break;
    for (uint32_t i = 0; i < count; ++i)
      CHECK(completions[i].status == RDU_STATUS_OK || completions[i].status == RDU_STATUS_ABORTED);
    if (done == 0) printf("busy\n");
    done += count;
  }
  printf("busy: %s after %llu copies\n", strerrorname_np(error), (unsigned long long)done);
  return error != EIO && error != ENODEV;
}

/* --- errors on demand --- */

/* The firmware panics, or hangs: the command itself gets EIO, since the device is reset under it. */
int inject(int argc, char** argv) {
  CHECK(argc == 2);
  const bool panics = strcmp(argv[1], "panic") == 0;
  CHECK(panics || strcmp(argv[1], "hang") == 0);
  const int file = open_device();
  struct rdu_ioc_admin args = {.opcode = RDU_ADMIN_INJECT,
                               .arg = {panics ? RDU_INJECT_PANIC : RDU_INJECT_HANG}};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), EIO);
  close(file);
  return 0;
}

/* Loads a program from a file and launches it, however long it runs. */
int launch(int argc, char** argv) {
  CHECK(argc == 2);
  const int file = open_device();
  struct rdu_ioc_memory host;
  struct rdu_completion completion;
  uint32_t queue, count = 1;
  uint8_t* const pages = host_pages(16 * PAGE);
  FILE* const program = fopen(argv[1], "rb");
  CHECK(program != NULL);
  const size_t bytes = fread(pages, 1, 16 * PAGE, program);
  CHECK(bytes > 0 && feof(program));
  fclose(program);
  EXPECT(make_context(file, 1 << 20, 0, NULL), 0);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, 16 * PAGE, pages, &host), 0);
  EXPECT(make_queue(file, 8, -1, &queue), 0);
  const uint64_t at = RDU_VA(RDU_SEGMENT_HBM, 1 << 19); /* the program itself uses the beginning */
  CHECK(execute(file, queue, copy(at, host.address, bytes)) == RDU_STATUS_OK);
  CHECK(execute(file, queue, (struct rdu_sqe){.opcode = RDU_CMD_LOAD_PROGRAM, .arg = {at, bytes, 0}}) ==
        RDU_STATUS_OK);
  const struct rdu_sqe command = {.opcode = RDU_CMD_LAUNCH};
  EXPECT(submit(file, queue, &command, &count, 0, NULL), 0);
  EXPECT(take(file, queue, &completion, &count, RDU_WAIT_FOREVER), 0);
  printf("launch: status %#x\n", completion.status);
  count = 1;
  printf("then: %s\n", strerrorname_np(take(file, queue, &completion, &count, 2 * SECOND)));
  close(file);
  return 0;
}
