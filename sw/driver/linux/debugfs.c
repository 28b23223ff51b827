// SPDX-License-Identifier: GPL-2.0
/* For who looks for a mistake: /sys/kernel/debug/rdu/rduN. */

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "rdu.h"

static struct dentry *rdu_debugfs;

void rdu_debugfs_root(bool make)
{
	if (make)
		rdu_debugfs = debugfs_create_dir("rdu", NULL);
	else
		debugfs_remove(rdu_debugfs);
}

static int queues_show(struct seq_file *seq, void *unused)
{
	struct rdu_device *rdu = seq->private;
	struct rdu_queue *queue;
	u32 id;

	seq_puts(seq, "queue context process entries submitted completed fetched state\n");
	spin_lock_irq(&rdu->queue_lock);
	for (id = 0; id < RDU_QUEUES; id++) {
		queue = rdu->queue[id];
		if (queue)
			seq_printf(seq, "%5u %7u %7llu %7u %9llu %9llu %7llu %s\n", id,
				   queue->file->context, queue->file->owner, queue->ring.entries,
				   queue->ring.submitted, queue->ring.completed, queue->fetched,
				   queue->dead		   ? "lost"
				   : rdu_queue_busy(queue) ? "busy"
							   : "idle");
	}
	spin_unlock_irq(&rdu->queue_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(queues);

static int contexts_show(struct seq_file *seq, void *unused)
{
	struct rdu_device *rdu = seq->private;
	unsigned long handle, objects, pinned;
	struct rdu_memory *memory;
	struct rdu_file *file;

	seq_puts(seq, "context process hbm_bytes ddr_bytes objects pinned_bytes\n");
	mutex_lock(&rdu->files_lock);
	list_for_each_entry (file, &rdu->files, link) {
		mutex_lock(&file->lock);
		objects = 0;
		pinned = 0;
		xa_for_each (&file->memory, handle, memory) {
			objects++;
			pinned += memory->page_count * PAGE_SIZE;
		}
		if (file->context)
			seq_printf(seq, "%7u %7llu %9llu %9llu %7lu %12lu\n", file->context,
				   file->owner, file->space[RDU_MEMORY_HBM].pages << RDU_PAGE_SHIFT,
				   file->space[RDU_MEMORY_DDR].pages << RDU_PAGE_SHIFT, objects,
				   pinned);
		mutex_unlock(&file->lock);
	}
	mutex_unlock(&rdu->files_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(contexts);

static int windows_show(struct seq_file *seq, void *unused)
{
	struct rdu_device *rdu = seq->private;
	u32 n;

	seq_puts(seq, "window memory offset mappings\n");
	mutex_lock(&rdu->window_lock);
	for (n = 0; n < rdu->windows; n++)
		if (rdu->window[n].refs)
			seq_printf(seq, "%6u %6s %#llx %u\n", n,
				   rdu->window[n].memory == RDU_HOSTIF_WINDOW_BASE_MEMORY_HBM
					   ? "HBM"
					   : "DDR",
				   rdu->window[n].chunk << rdu->window_shift, rdu->window[n].refs);
	mutex_unlock(&rdu->window_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(windows);

static int counters_show(struct seq_file *seq, void *unused)
{
	struct rdu_counters *counters = &((struct rdu_device *)seq->private)->counters;

	seq_printf(seq,
		   "commands %lld\ninterrupts %lld\nlost_interrupts %lld\nhung_commands "
		   "%lld\nresets %lld\n",
		   (long long)atomic64_read(&counters->commands),
		   (long long)atomic64_read(&counters->interrupts),
		   (long long)atomic64_read(&counters->late),
		   (long long)atomic64_read(&counters->hung),
		   (long long)atomic64_read(&counters->resets));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

/* A whole log page, or an error: the caller frees it. */
static ssize_t rdu_debugfs_page(struct rdu_device *rdu, u32 page, u8 **to)
{
	ssize_t got;

	*to = kvmalloc(RDU_DATA_BYTES, GFP_KERNEL);
	if (!*to)
		return -ENOMEM;
	if (down_read_interruptible(&rdu->hw)) {
		got = -ERESTARTSYS;
	} else {
		got = rdu->state == RDU_STATE_UP
			      ? rdu_admin_read_log(rdu, page, 0, *to, RDU_DATA_BYTES)
			      : -EIO;
		up_read(&rdu->hw);
	}
	if (got < 0)
		kvfree(*to);
	return got;
}

static int firmware_log_show(struct seq_file *seq, void *unused)
{
	ssize_t got;
	u8 *page;

	got = rdu_debugfs_page(seq->private, RDU_LOG_TEXT, &page);
	if (got < 0)
		return got;
	seq_write(seq, page, got);
	kvfree(page);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(firmware_log);

static const char *rdu_panic_text(u32 kind)
{
	switch (kind) {
	case RDU_PANIC_ASSERT:
		return "assertion";
	case RDU_PANIC_TRAP:
		return "trap";
	case RDU_PANIC_WATCHDOG:
		return "watchdog";
	default:
		return "unknown";
	}
}

/* The report of the firmware's last panic; empty when there was none since power-on. */
static int panic_show(struct seq_file *seq, void *unused)
{
	struct rdu_log_panic *panic;
	ssize_t got;
	u8 *page;
	u32 i;

	got = rdu_debugfs_page(seq->private, RDU_LOG_PANIC, &page);
	if (got < 0)
		return got;
	if (got >= (ssize_t)sizeof(*panic)) {
		panic = (struct rdu_log_panic *)page;
		seq_printf(seq,
			   "%s: %.*s\nfirmware %.*s\ntime_ns %llu\nrestarts %u\ncause %#llx\nvalue "
			   "%#llx\n",
			   rdu_panic_text(panic->kind), (int)sizeof(panic->text), panic->text,
			   (int)sizeof(panic->firmware), panic->firmware, panic->time_ns,
			   panic->restarts, panic->cause, panic->value);
		seq_printf(seq, "pc %#llx\n", panic->registers[0]);
		for (i = 1; i < ARRAY_SIZE(panic->registers); i++)
			seq_printf(seq, "x%u %#llx\n", i, panic->registers[i]);
		for (i = 0; i < min_t(u32, panic->call_count, RDU_PANIC_CALLS); i++)
			seq_printf(seq, "called from %#llx\n", panic->calls[i]);
	}
	kvfree(page);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(panic);

static int registers_show(struct seq_file *seq, void *unused)
{
	struct rdu_device *rdu = seq->private;

	if (down_read_interruptible(&rdu->hw))
		return -ERESTARTSYS;
	if (rdu->state == RDU_STATE_UP || rdu->state == RDU_STATE_FAILED)
		seq_printf(seq,
			   "CC %#x\nCSTS %#x\nBOOT %#x\nTIMESTAMP %llu\nDMA_ERROR "
			   "%#x\nDMA_ERROR_ADDRESS %#llx\n",
			   rdu_read32(rdu, RDU_HOSTIF_CC), rdu_read32(rdu, RDU_HOSTIF_CSTS),
			   rdu_read32(rdu, RDU_HOSTIF_BOOT), rdu_read64(rdu, RDU_HOSTIF_TIMESTAMP),
			   rdu_read32(rdu, RDU_HOSTIF_DMA_ERROR),
			   rdu_read64(rdu, RDU_HOSTIF_DMA_ERROR_ADDRESS));
	up_read(&rdu->hw);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(registers);

void rdu_debugfs_init(struct rdu_device *rdu)
{
	struct dentry *dir = debugfs_create_dir(dev_name(&rdu->dev), rdu_debugfs);

	debugfs_create_file("queues", 0400, dir, rdu, &queues_fops);
	debugfs_create_file("contexts", 0400, dir, rdu, &contexts_fops);
	debugfs_create_file("windows", 0400, dir, rdu, &windows_fops);
	debugfs_create_file("counters", 0400, dir, rdu, &counters_fops);
	debugfs_create_file("firmware_log", 0400, dir, rdu, &firmware_log_fops);
	debugfs_create_file("panic", 0400, dir, rdu, &panic_fops);
	debugfs_create_file("registers", 0400, dir, rdu, &registers_fops);
	rdu->debugfs = dir;
}

void rdu_debugfs_free(struct rdu_device *rdu)
{
	debugfs_remove(rdu->debugfs);
}
