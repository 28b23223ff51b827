// SPDX-License-Identifier: GPL-2.0
/* The host page table of a context: three levels (rdu_abi.h). The device sees nothing else of the
 * host. */

#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "rdu.h"

/**
 * struct rdu_table - One table of 512 entries
 * @entry: as the device reads them, at
 * @address: on the bus
 * @below: the tables of the next level; NULL at the last one
 */
struct rdu_table {
	u64 *entry;
	dma_addr_t address;
	struct rdu_table **below;
};

#define RDU_TABLE_BITS 9

static void rdu_table_destroy(struct device *dev, struct rdu_table *table)
{
	u32 i;

	if (!table)
		return;
	for (i = 0; table->below && i < RDU_HOST_TABLE_ENTRIES; i++)
		rdu_table_destroy(dev, table->below[i]);
	if (table->entry)
		dma_free_coherent(dev, RDU_PAGE, table->entry, table->address);
	kfree(table->below);
	kfree(table);
}

static struct rdu_table *rdu_table_make(struct device *dev, u32 level)
{
	struct rdu_table *table = kzalloc(sizeof(*table), GFP_KERNEL);

	if (!table)
		return NULL;
	table->entry = dma_alloc_coherent(dev, RDU_PAGE, &table->address, GFP_KERNEL);
	if (level > 1)
		table->below = kcalloc(RDU_HOST_TABLE_ENTRIES, sizeof(*table->below), GFP_KERNEL);
	if (!table->entry || (level > 1 && !table->below)) {
		rdu_table_destroy(dev, table);
		return NULL;
	}
	return table;
}

int rdu_table_create(struct rdu_file *file, u64 *root)
{
	if (file->table) /* of a context that a reset must settle */
		return -EIO;
	file->table = rdu_table_make(&file->rdu->pdev->dev, RDU_HOST_TABLE_LEVELS);
	if (!file->table)
		return -ENOMEM;
	*root = file->table->address;
	return 0;
}

void rdu_table_free(struct rdu_file *file)
{
	rdu_table_destroy(&file->rdu->pdev->dev, file->table);
	file->table = NULL;
}

/* The last level's entry of a page; makes what is missing above it if told to, else may be NULL. */
static u64 *rdu_table_entry(struct rdu_file *file, u64 page, bool make)
{
	struct rdu_table *table = file->table, *next;
	u32 level, index;

	for (level = RDU_HOST_TABLE_LEVELS; level > 1; level--) {
		index = (page >> (RDU_TABLE_BITS * (level - 1))) & (RDU_HOST_TABLE_ENTRIES - 1);
		next = table->below[index];
		if (!next) {
			next = make ? rdu_table_make(&file->rdu->pdev->dev, level - 1) : NULL;
			if (!next)
				return NULL;
			table->below[index] = next;
			dma_wmb(); /* the table is empty before it is entered */
			WRITE_ONCE(table->entry[index], next->address | RDU_HOST_ENTRY_VALID);
		}
		table = next;
	}
	return &table->entry[page & (RDU_HOST_TABLE_ENTRIES - 1)];
}

/* Enters pages from a bus address on. On an error some may have been: rdu_table_clear(). */
int rdu_table_enter(struct rdu_file *file, u64 page, dma_addr_t address, u64 pages)
{
	u64 *entry;

	for (; pages; pages--, page++, address += RDU_PAGE) {
		entry = rdu_table_entry(file, page, true);
		if (!entry)
			return -ENOMEM;
		WRITE_ONCE(*entry, (address & RDU_HOST_ENTRY_ADDRESS) | RDU_HOST_ENTRY_VALID |
					   RDU_HOST_ENTRY_WRITE);
	}
	return 0;
}

/* Takes pages out, and makes sure that the device has forgotten them. The device must be up. */
void rdu_table_clear(struct rdu_file *file, u64 page, u64 pages)
{
	struct rdu_device *rdu = file->rdu;
	u64 *entry;

	for (; pages; pages--, page++) {
		entry = rdu_table_entry(file, page, false);
		if (entry)
			WRITE_ONCE(*entry, 0);
	}
	rdu_write32(rdu, RDU_HOSTIF_HOST_TLB_INVALIDATE,
		    FIELD_PREP(RDU_HOSTIF_HOST_TLB_INVALIDATE_CONTEXT_MASK, file->context));
	rdu_read32(rdu, RDU_HOSTIF_CSTS); /* the write has arrived */
}
