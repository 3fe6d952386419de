package disk

// Clone is a disk in the same state, with what is in play and in flight. Neither
// affects the other afterwards. Whole chunks of contents are shared.
func (d *Disk) Clone() *Disk {
	c := &Disk{
		o: d.o, p: d.p, failure: d.failure,
		seq: d.seq, part: d.part, settled64: d.settled64, nextID: d.nextID,
		tickAt: d.tickAt, ticking: d.ticking, free: d.free, readOnly: d.readOnly, denied: d.denied, frozen: d.frozen, moves: d.moves,
		pass: d.pass,
	}
	c.inodes = make([]*inode, len(d.inodes))
	for i, n := range d.inodes {
		if n != nil {
			c.inodes[i] = n.clone(&c.pool)
		}
	}
	c.micros = append(c.micros, d.micros...)
	for i := range c.micros {
		if m := &c.micros[i]; m.data != nil {
			m.data = c.keepBytes(m.data)
		}
	}
	c.log, c.dropped = append(c.log, d.log...), d.dropped
	c.flight = append(c.flight, d.flight...)
	c.syncs = append(c.syncs, d.syncs...)
	for i := range c.syncs {
		c.syncs[i].cover = append([]uint64(nil), c.syncs[i].cover...)
	}
	return c
}

func (n *inode) clone(p *chunkPool) *inode {
	c := *n
	c.vol, c.base = content{}, content{}
	c.vol.copyFrom(&n.vol, n.vol.size, p)
	c.base.copyFrom(&n.base, n.base.end(), p)
	c.base.size = n.base.size
	c.ents = append([]Dirent(nil), n.ents...)
	c.bents = append([]Dirent(nil), n.bents...)
	c.pages, c.mapped = nil, false
	return &c
}
